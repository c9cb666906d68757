import { ask, segment } from "../asking.js"
import { attempts } from "../attempts.js"
import * as Controls from "../controls.js"
import { confirm } from "../dialogs.js"
import { type Child, fill, h } from "../dom.js"
import { type Json, records, text } from "../json.js"
import * as Memories from "../memories.js"
import { alert, say } from "../say.js"
import { go, type View } from "../view.js"
import { acknowledged } from "../written.js"

/** One memory in full, and what can be done with it. */
export const memory: View = {
  name: "memory",
  title: "Memory",
  show: async (shown) => {
    const { body } = await ask(`/memories/${segment(shown.rest)}`, { signal: shown.signal })
    const read = Memories.read(body)
    const problems = h("div", {})
    shown.root.append(
      h(
        "article",
        { class: "card", "aria-labelledby": "memory-title" },
        h("h2", { id: "memory-title" }, read.title),
        h("p", { class: "content" }, read.content),
        Memories.tags(read.tags),
        Memories.facts([
          ["Namespace", read.namespace],
          ["Tier", read.tier],
          ["Priority", String(read.priority)],
          ["Confidence", String(read.confidence)],
          ["Written first by", read.agent],
          ["Source", read.source],
          ["Written", Memories.moment(read.createdAt)],
          ["Changed", Memories.moment(read.updatedAt)],
          ["Expires", Memories.moment(read.expiresAt)],
          ["Was of use", read.uses === 1 ? "once" : `${read.uses} times`],
          ["Version", h("code", {}, read.updatedAt)],
          ["Id", h("code", {}, read.id)]
        ])
      ),
      problems,
      h("div", { class: "buttons" }, actions(read, problems)),
      h("div", {}, links(read.id, records(body["links"])))
    )
  }
}

const actions = (memory: Memories.Memory, problems: HTMLElement): Child => {
  const headersOf = attempts()
  const path = `/memories/${segment(memory.id)}`
  const write = async (method: "POST" | "DELETE", to: string, done: string, next: string) => {
    try {
      const what = { method, to, version: memory.updatedAt }
      const match: Record<string, string> = method === "DELETE" ? { "if-match": `"${memory.updatedAt}"` } : {}
      const { body, status } = await ask(to, { method, headers: { ...headersOf(what), ...match } })
      say(status === 202 ? "It waits for approval." : `${done} ${acknowledged(body)}`)
      go(status === 202 ? "#/pending" : next)
    } catch (error) {
      fill(problems, alert(error))
    }
  }
  const remove = async () => {
    const sure = await confirm({
      title: "Delete it everywhere?",
      text: `“${memory.title}” is deleted on every node.`,
      action: "Delete"
    })
    if (sure) await write("DELETE", path, "Deleted.", "#/memories")
  }
  const promote = () => write("POST", `${path}/promote`, "Kept for good.", `${Memories.place(memory.id)}?kept=yes`)
  return [
    h("a", { href: `#/edit/${encodeURIComponent(memory.id)}`, class: "button", "data-item": true }, "Edit"),
    memory.tier === "long" ? undefined : Controls.action("Keep for good", promote),
    Controls.action("Delete", remove, { class: "danger" })
  ]
}

/** In both directions, by the ids that they have. */
const links = (id: string, found: ReadonlyArray<Json>): Child =>
  found.length === 0 ? undefined : h(
    "section",
    { "aria-labelledby": "links" },
    h("h2", { id: "links" }, "Links"),
    h(
      "ul",
      {},
      found.map((link) => {
        const isOut = text(link["source_id"]) === id
        const other = text(link[isOut ? "target_id" : "source_id"])
        const anchor = h("a", { href: Memories.place(other) }, other)
        return h(
          "li",
          {},
          isOut ? [`${text(link["relation"])} → `, anchor] : [anchor, ` → ${text(link["relation"])} → this`]
        )
      })
    )
  )
