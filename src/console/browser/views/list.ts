import { ask, query } from "../asking.js"
import * as Controls from "../controls.js"
import { h } from "../dom.js"
import { records } from "../json.js"
import * as Memories from "../memories.js"
import { say } from "../say.js"
import { go, type View } from "../view.js"

const LIMIT = 25

/** Pages through what there is. */
export const list: View = {
  name: "memories",
  title: "Memories",
  letter: "m",
  show: async ({ parameters, root, signal }) => {
    const given = (name: string) => parameters.get(name) ?? ""
    const { input: namespace, list: offered } = Controls.namespaceInput(given("namespace"), signal)
    const tag = h("input", { type: "text", value: given("tags"), autocomplete: "off" })
    const tier = Controls.select([["", "all"], ["short", "short"], ["mid", "mid"], ["long", "long"]], given("tier"))
    const form = h(
      "form",
      { "aria-label": "Filter" },
      h(
        "div",
        { class: "fields" },
        Controls.field("Namespace", namespace),
        Controls.field("Tag", tag),
        Controls.field("Tier", tier)
      ),
      offered,
      h("div", { class: "buttons" }, h("button", { type: "submit" }, "Show"), h("a", { href: "#/write" }, "Write one"))
    )
    root.append(form)
    Controls.onSubmit(form, async () => {
      go(`#/memories${query({ namespace: namespace.value.trim(), tags: tag.value.trim(), tier: tier.value })}`)
    })
    const offset = Math.max(0, Math.trunc(Number(given("offset"))) || 0)
    const filters = { namespace: given("namespace"), tags: given("tags"), tier: given("tier") }
    const { body } = await ask(`/memories${query({ ...filters, limit: LIMIT, offset })}`, { signal })
    const memories = records(body["memories"]).map(Memories.read)
    say(`${memories.length} shown.`)
    if (memories.length === 0) root.append(h("p", { class: "empty" }, "There is none."))
    root.append(h("ol", { class: "cards", "aria-label": "Memories" }, memories.map((memory) => Memories.card(memory))))
    const pages = Controls.pager({
      name: "memories",
      parameters: filters,
      offset,
      limit: LIMIT,
      count: memories.length,
      isTruncated: body["truncated"] === true
    })
    root.append(h("div", {}, pages))
  }
}
