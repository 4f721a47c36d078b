// Asks for the token, once, where the server wants one. It is sent and forgotten: what stays is a
// cookie that no script can read.

import * as api from "./api";
import { byId, h, sentence } from "./dom";

export function begin(): void {
  api.onUnauthorized(ask);
}

function ask(): Promise<void> {
  const dialog = byId<HTMLDialogElement>("token");
  const field = h("input", { type: "password", id: "token-field", autocomplete: "current-password", required: true, "aria-describedby": "token-error" });
  const error = h("p", { class: "error", id: "token-error", role: "alert" });
  return new Promise((resolve) => {
    const form = h("form", {
      method: "dialog",
      onsubmit: async (event: Event) => {
        event.preventDefault();
        try {
          await api.signIn(field.value.trim());
          dialog.close();
          resolve();
        } catch (cause) {
          error.textContent = cause instanceof api.ApiError && cause.status === 401
            ? "The server knows another token." : sentence(cause);
          field.select();
        }
      },
    },
      h("h2", { id: "token-title" }, "This server wants a token"),
      h("p", {}, "Whoever started the server has it. It is asked for once and stays in a cookie."),
      h("div", { class: "field" }, h("label", { htmlFor: "token-field" }, "Token"), field, error),
      h("div", { class: "go" }, h("button", { class: "primary" }, "Enter")),
    );
    dialog.replaceChildren(form);
    // Without a token there is nothing to go back to.
    dialog.oncancel = (event) => event.preventDefault();
    if (!dialog.open) dialog.showModal();
    field.focus();
  });
}
