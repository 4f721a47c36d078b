// Pictures that are dropped or pasted onto the page: to start from, or to read settings from.

import * as api from "./api";
import { blame } from "./fields";
import { byId, notice, sentence } from "./dom";
import * as form from "./form";
import * as start from "./start";
import { show } from "./views";

/** Reads what a picture says of itself and puts it into the form. */
export async function restore(file: Blob): Promise<void> {
  try {
    form.fill(await api.read(file));
    show("make");
    notice("The settings of the picture are in the form.");
  } catch (error) {
    blame(sentence(error), "none");
  }
}

/** Listens for drops anywhere, for pasting, and makes the button work. */
export function begin(): void {
  const zone = byId("dropzone");
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  const targetOf = (event: DragEvent) =>
    (event.target as Element | null)?.closest<HTMLElement>("[data-drop]") ?? null;

  window.addEventListener("dragenter", (event) => {
    if (hasFiles(event)) zone.hidden = false;
  });
  window.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    for (const target of zone.querySelectorAll("[data-drop]"))
      target.classList.toggle("over", target === targetOf(event));
  });
  window.addEventListener("dragleave", (event) => {
    // Leaving the window is the only leaving that leads nowhere.
    if (event.relatedTarget === null) zone.hidden = true;
  });
  window.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    zone.hidden = true;
    const file = event.dataTransfer?.files[0];
    if (file) void (targetOf(event)?.dataset["drop"] === "read" ? restore(file) : useIt(file));
  });
  window.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    void useIt(file);
  });

  const input = byId<HTMLInputElement>("restore-file");
  byId("restore").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file) void restore(file);
    input.value = "";
  });
}

async function useIt(file: Blob): Promise<void> {
  show("make");
  await start.use(file);
}
