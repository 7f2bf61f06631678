// The page Reference: the entry that the address names is shown.

import { chosen } from "./address.js";

const at = chosen().get("at");
const entry = at && document.getElementById(`reference?at=${at}`);
if (entry) {
  entry.setAttribute("data-on", "");
  entry.scrollIntoView({ block: "center" });
}
