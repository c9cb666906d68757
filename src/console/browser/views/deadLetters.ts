import { ask, query, segment } from "../asking.js"
import * as Controls from "../controls.js"
import { confirm } from "../dialogs.js"
import { type Child, fill, h } from "../dom.js"
import { type Json, number, records, text } from "../json.js"
import { facts, moment } from "../memories.js"
import { alert, isOver, say } from "../say.js"
import type { View } from "../view.js"
import * as Written from "../written.js"

const LIMIT = 50

/** Operations that a peer refuses: why, and once more or never again. */
export const deadLetters: View = {
  name: "dead-letters",
  title: "Dead letters",
  letter: "d",
  show: async ({ parameters, root, signal }) => {
    const offset = Math.max(0, Math.trunc(Number(parameters.get("offset"))) || 0)
    const { body } = await ask(`/federation/dlq${query({ limit: LIMIT, offset })}`, { signal })
    const found = records(body["dead_letters"])
    root.append(h(
      "p",
      { class: "aside" },
      "Operations that a peer refuses. They are tried again by themselves, ever more seldom, until the peer takes them or " +
        "somebody gives them up."
    ))
    if (found.length === 0) root.append(h("p", { class: "empty" }, "There is none."))
    root.append(h("ol", { class: "cards", "aria-label": "Dead letters" }, found.map(card)))
    say(found.length === 0 ? "There is no dead letter." : `${found.length} shown.`)
    const paging = {
      name: "dead-letters",
      parameters: {},
      offset,
      limit: LIMIT,
      count: found.length,
      isTruncated: false
    }
    root.append(h("div", {}, Controls.pager(paging)))
  }
}

const RESULTS: Readonly<Record<string, string>> = {
  delivered: "Delivered: the peer holds it now.",
  refused: "The peer refuses it still.",
  unreachable: "The peer said nothing about it."
}

const card = (letter: Json): HTMLLIElement => {
  const id = number(letter["id"])
  const name = `${text(letter["kind"])} for ${text(letter["peer_id"])}`
  const outcome = Written.outcome()
  return h(
    "li",
    { class: "card", "aria-label": name },
    h("h2", {}, name),
    h("p", {}, text(letter["reason"])),
    facts([
      ["About", h("code", {}, text(letter["entity"]))],
      ["Accepted by", text(letter["origin"])],
      ["Attempts", String(number(letter["attempts"]))],
      ["Refused first", moment(text(letter["failed_at"]))],
      ["Next attempt", letter["discarded"] === true ? "none: given up" : moment(text(letter["next_attempt_at"]))]
    ]),
    whole(id),
    outcome,
    h("div", { class: "buttons" }, choices(letter, id, outcome))
  )
}

/** The operation in full, when somebody looks. */
const whole = (id: number): HTMLElement => {
  const shown = h("div", {})
  const details = h("details", {}, h("summary", {}, "The operation"), shown)
  let isAsked = false
  details.addEventListener("toggle", () => {
    if (isAsked) return
    isAsked = true
    void ask(`/federation/dlq/${segment(id)}`).then(
      ({ body }) => fill(shown, h("pre", { tabindex: "0" }, JSON.stringify(body["operation"], null, 2))),
      (error: unknown) => {
        isAsked = false
        if (!isOver(error)) fill(shown, alert(error))
      }
    )
  })
  return details
}

const choices = (letter: Json, id: number, outcome: HTMLElement): Child => {
  const tell = (what: string, isOverNow: boolean) => Written.settle(outcome, isOverNow ? buttons : [], what)
  const retry = async () => {
    try {
      const { body } = await ask(`/federation/dlq/${segment(id)}/retry`, { method: "POST" })
      const result = text(body["result"])
      tell(RESULTS[result] ?? result, result === "delivered")
    } catch (error) {
      fill(outcome, alert(error))
    }
  }
  const discard = async () => {
    const peer = text(letter["peer_id"])
    const sure = await confirm({
      title: "Give it up?",
      text: `It is never sent to ${peer} again: that node goes on without it.`,
      action: "Give up"
    })
    if (!sure) return
    try {
      await ask(`/federation/dlq/${segment(id)}`, { method: "DELETE" })
      tell("Given up for this peer.", true)
    } catch (error) {
      fill(outcome, alert(error))
    }
  }
  const buttons = [
    Controls.action("Try again now", retry, { "data-item": true }),
    ...(letter["discarded"] === true ? [] : [Controls.action("Give up", discard, { class: "danger" })])
  ]
  return buttons
}
