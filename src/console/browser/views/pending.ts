import { ask, query, segment } from "../asking.js"
import { attempts } from "../attempts.js"
import * as Controls from "../controls.js"
import { type Child, fill, h } from "../dom.js"
import * as Feed from "../feed.js"
import { type Json, record, records, text } from "../json.js"
import * as Memories from "../memories.js"
import { alert, say } from "../say.js"
import { every, go, type View } from "../view.js"
import * as Written from "../written.js"

const LIMIT = 50
/** For whom the stream is closed to. */
const EVERY_MILLIS = 20_000

/** What waits for somebody to approve it, as it comes in. */
export const pending: View = {
  name: "pending",
  title: "Pending",
  letter: "p",
  show: async ({ parameters, root, signal }) => {
    const status = parameters.get("status") ?? "pending"
    const offset = Math.max(0, Math.trunc(Number(parameters.get("offset"))) || 0)
    const names = ["pending", "approved", "rejected", "expired"].map((name) => [name, name] as const)
    const chosen = Controls.select(names, status)
    chosen.addEventListener("change", () => go(`#/pending${query({ status: chosen.value })}`))
    const list = h("ol", { class: "cards", "aria-label": "Actions" })
    const below = h("div", {})
    root.append(Controls.field("Show", chosen), list, below)
    const cards = new Map<string, HTMLLIElement>()
    /** What was decided here stays, with what came of it. */
    const decided = new Map<string, HTMLLIElement>()
    const refresh = async () => {
      const { body } = await ask(`/pending${query({ status, limit: LIMIT, offset })}`, { signal })
      const found = records(body["pending"])
      // Those that are shown stay as they are: somebody may be about to press a button of them.
      const waiting = found.map((action) => {
        const key = `${text(action["id"])} ${JSON.stringify(action["approvals"])}`
        const known = cards.get(key) ?? card(action, (made) => decided.set(text(action["id"]), made))
        cards.set(key, known)
        return known
      })
      const ids = new Set(found.map(({ id }) => text(id)))
      const now = [...waiting, ...Array.from(decided).flatMap(([id, each]) => ids.has(id) ? [] : [each])]
      if (now.length !== list.children.length || now.some((each, index) => each !== list.children[index])) {
        keepingFocus(() => fill(list, now))
      }
      const isTruncated = body["truncated"] === true
      const paging = { name: "pending", parameters: { status }, offset, limit: LIMIT, count: found.length, isTruncated }
      fill(below, now.length === 0 ? h("p", { class: "empty" }, "There is none.") : undefined, Controls.pager(paging))
      return found.length
    }
    say(`${await refresh()} ${status}.`)
    every(EVERY_MILLIS, signal, async () => void await refresh())
    void Feed.follow(signal, (event) => {
      say(event === "approval_requested" ? "Something new waits for approval." : "Something was decided.")
      void refresh().catch(() => undefined)
    })
  }
}

/** What has the focus has it afterwards as well, if it is still there. */
const keepingFocus = (change: () => void): void => {
  const before = document.activeElement
  change()
  if (before instanceof HTMLElement && before.isConnected) before.focus()
}

const WORDS: Readonly<Record<string, string>> = { store: "Store a memory", delete: "Delete", promote: "Keep for good" }

const card = (action: Json, onDecided: (card: HTMLLIElement) => void): HTMLLIElement => {
  const type = text(action["action_type"])
  const payload = record(action["payload"])
  const title = text(payload["title"])
  const id = text(action["memory_id"])
  const votes = records(action["approvals"])
  const outcome = Written.outcome()
  const name = `${WORDS[type] ?? type}${title === "" ? "" : `: ${title}`}`
  const made = h(
    "li",
    { class: "card", "aria-label": name },
    h("div", { class: "head" }, h("h2", {}, name), h("span", { class: "aside" }, text(action["namespace"]))),
    type === "store" ? h("p", { class: "content" }, text(payload["content"])) : undefined,
    Memories.facts([
      ["Asked for by", text(action["requested_by"])],
      ["Asked for", Memories.moment(text(action["requested_at"]))],
      ["Memory", id === "" ? undefined : h("a", { href: Memories.place(id) }, id)],
      ["Approves", approver(action["approver"])],
      ["Approved by", votes.map((vote) => text(vote["agent_id"])).join(", ")],
      ["Decided by", text(action["decided_by"])],
      ["Decided", Memories.moment(text(action["decided_at"]))]
    ]),
    outcome,
    action["status"] === "pending"
      ? h("div", { class: "buttons" }, decisions(action, outcome, () => onDecided(made)))
      : undefined
  )
  return made
}

const approver = (rule: unknown): string => {
  if (typeof rule === "string") return rule === "human" ? "anybody" : rule
  const { agent, consensus } = record(rule)
  return typeof consensus === "number" ? `${consensus} registered agents together` : text(agent)
}

const decisions = (action: Json, outcome: HTMLElement, onDecided: () => void): Child => {
  const headersOf = attempts()
  const decide = async (verb: "approve" | "reject", done: string) => {
    const path = `/pending/${segment(text(action["id"]))}/${verb}`
    // The stream may tell of it before this answer is here.
    onDecided()
    try {
      const { body, status } = await ask(path, { method: "POST", headers: headersOf({ verb }) })
      const id = text(body["memory_id"])
      const told = status === 202
        ? `Your vote counts: ${String(body["votes"])} of ${String(body["quorum"])}.`
        : `${done} ${Written.acknowledged(body)}`
      const link = id === "" ? undefined : { href: Memories.place(id), name: "Read it" }
      Written.settle(outcome, status === 202 ? [] : buttons, told, link)
    } catch (error) {
      fill(outcome, alert(error))
    }
  }
  const buttons = [
    Controls.action("Approve", () => decide("approve", "Approved."), { class: "first", "data-item": true }),
    Controls.action("Reject", () => decide("reject", "Rejected."), { class: "danger" })
  ]
  return buttons
}
