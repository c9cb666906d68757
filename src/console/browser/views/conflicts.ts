import { ask, Failed, query, segment } from "../asking.js"
import { attempts } from "../attempts.js"
import { compared } from "../compared.js"
import * as Controls from "../controls.js"
import { confirm } from "../dialogs.js"
import { fill, h } from "../dom.js"
import { type Json, record, records, text } from "../json.js"
import * as Memories from "../memories.js"
import { alert, say } from "../say.js"
import type { View } from "../view.js"
import * as Written from "../written.js"

const LIMIT = 20

/** Writes that met, both sides of each, and who is right. */
export const conflicts: View = {
  name: "conflicts",
  title: "Conflicts",
  letter: "c",
  show: async ({ parameters, root, signal }) => {
    const offset = Math.max(0, Math.trunc(Number(parameters.get("offset"))) || 0)
    const { body } = await ask(`/conflicts${query({ limit: LIMIT, offset })}`, { signal })
    const found = records(body["conflicts"])
    root.append(h(
      "p",
      { class: "aside" },
      "Two nodes took a write of the same memory, or of the same title, before they knew of each other’s. The later one counts; " +
        "the other one is kept here until somebody decides."
    ))
    if (found.length === 0) root.append(h("p", { class: "empty" }, "There is none."))
    const shown = await Promise.all(found.map((conflict) => card(conflict, signal)))
    root.append(h("ol", { class: "cards", "aria-label": "Conflicts" }, shown))
    say(found.length === 0 ? "There is no conflict." : `${found.length} shown.`)
    const pages = Controls.pager({
      name: "conflicts",
      parameters: {},
      offset,
      limit: LIMIT,
      count: found.length,
      isTruncated: body["truncated"] === true
    })
    root.append(h("div", {}, pages))
  }
}

/** What counts now; undefined when it is gone. */
const winnerOf = async (id: string, signal: AbortSignal): Promise<Memories.Memory | undefined> => {
  try {
    return Memories.read((await ask(`/memories/${segment(id)}`, { signal })).body)
  } catch (error) {
    if (error instanceof Failed && error.status === 404) return undefined
    throw error
  }
}

const card = async (conflict: Json, signal: AbortSignal): Promise<HTMLLIElement> => {
  const lost = Memories.read(record(conflict["memory"]))
  const winner = await winnerOf(text(record(conflict["winner"])["id"]), signal)
  const title = text(conflict["title"])
  const outcome = Written.outcome()
  const what = conflict["kind"] === "shadow"
    ? "Two memories have this title."
    : "One memory was changed in two places."
  return h(
    "li",
    { class: "card", "aria-label": `Conflict: ${title}` },
    h("div", { class: "head" }, h("h2", {}, title), h("span", { class: "aside" }, text(conflict["namespace"]))),
    h("p", {}, what, conflict["archived"] === true ? " What lost is an archived state." : ""),
    compared(
      { name: "Counts now", state: winner },
      { name: "Lost", state: lost, note: `written by ${text(conflict["origin"])}` }
    ),
    outcome,
    h("div", { class: "buttons" }, choices(conflict, title, outcome))
  )
}

const choices = (conflict: Json, title: string, outcome: HTMLElement): ReadonlyArray<HTMLElement> => {
  const headersOf = attempts()
  const decide = async (keep: "winner" | "loser", question: string) => {
    if (!await confirm({ title: "Decide this conflict?", text: question, action: "Decide" })) return
    const body = { keep, version: text(conflict["version"]) }
    try {
      const path = `/conflicts/${segment(text(conflict["id"]))}/resolve`
      const { body: answer } = await ask(path, { method: "POST", body, headers: headersOf(body) })
      const told = `Decided on all nodes. ${Written.acknowledged(answer)}`
      const id = text(record(keep === "loser" ? conflict["memory"] : conflict["winner"])["id"])
      Written.settle(outcome, buttons, told, { href: Memories.place(id), name: `Read “${title}”` })
    } catch (error) {
      fill(outcome, alert(error))
    }
  }
  const buttons = [
    Controls.action(
      "Keep what counts now",
      () => decide("winner", `What lost of “${title}” is given up on every node.`),
      { "data-item": true }
    ),
    Controls.action(
      "Take what lost",
      () => decide("loser", `What lost of “${title}” becomes the newest version, in the place of what counts now.`)
    )
  ]
  return buttons
}
