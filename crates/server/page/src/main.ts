// Puts the page together.

import * as choices from "./choices";
import * as compare from "./compare";
import { alarm, byId, sentence } from "./dom";
import * as drop from "./drop";
import * as form from "./form";
import * as gallery from "./gallery";
import * as gridview from "./gridview";
import * as keys from "./keys";
import * as make from "./make";
import * as queue from "./queue";
import * as session from "./session";
import * as stage from "./stage";
import * as start from "./start";
import * as theme from "./theme";
import * as views from "./views";

async function begin(): Promise<void> {
  theme.start();
  session.begin();
  byId("alarm-close").addEventListener("click", () => alarm(""));
  stage.grain(1);
  compare.begin();
  start.begin(form.setSize);
  drop.begin();
  keys.begin();
  queue.begin();
  // From here on the server is asked, and may want a token first.
  await choices.load();
  form.begin();
  gridview.begin();
  gallery.begin();
  views.begin();
  await make.begin();
  document.documentElement.dataset["ready"] = "true";
}

begin().catch((error: unknown) => alarm(sentence(error)));
