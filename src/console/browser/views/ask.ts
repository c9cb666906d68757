import { ask as send, query } from "../asking.js"
import * as Controls from "../controls.js"
import { type Child, fill, h } from "../dom.js"
import { isRecord, type Json, number, record, records, texts } from "../json.js"
import * as Memories from "../memories.js"
import { alert, isOver, say } from "../say.js"
import type { Shown, View } from "../view.js"

/** Asks in one's own words, and shows what came with why it came. */
export const ask: View = {
  name: "ask",
  title: "Ask",
  letter: "a",
  show: async ({ note, parameters, root, signal }) => {
    const words = h("input", {
      type: "search",
      name: "q",
      value: parameters.get("q") ?? "",
      autocomplete: "off",
      id: "q"
    })
    const { input: namespace, list } = Controls.namespaceInput(parameters.get("namespace") ?? "", signal)
    const { box, row } = Controls.checkbox("By the words alone (search)", parameters.get("by") === "words")
    const form = h(
      "form",
      { role: "search", "aria-label": "Memories" },
      Controls.field("What do you want to know?", words, "A question, or what you are about to do."),
      Controls.field("Namespace", namespace, "Empty: all of them."),
      list,
      row,
      h("div", { class: "buttons" }, h("button", { type: "submit", class: "first" }, "Ask"))
    )
    const results = h("div", {})
    root.append(form, results)
    const run = async () => {
      const question: Question = { words: words.value.trim(), namespace: namespace.value.trim(), byWords: box.checked }
      if (question.words === "") return words.focus()
      note({ q: question.words, namespace: question.namespace, by: question.byWords ? "words" : "" })
      await answer(question, results, signal)
    }
    Controls.onSubmit(form, run)
    if (words.value !== "") await run()
  }
}

interface Question {
  readonly words: string
  readonly namespace: string
  readonly byWords: boolean
}

const answer = async (question: Question, results: HTMLElement, signal: Shown["signal"]): Promise<void> => {
  try {
    const { body } = await (question.byWords ? search(question, signal) : recall(question, signal))
    const found = records(body[question.byWords ? "results" : "memories"])
    const count = found.length === 1 ? "1 memory" : `${found.length} memories`
    say(found.length === 0 ? "Nothing was found." : `${count} found.`)
    fill(
      results,
      found.length === 0
        ? h("p", { class: "empty" }, "Nothing was found.")
        : [
          h("p", { class: "aside" }, `${count}. `, evidence(body)),
          h("ol", { class: "cards", "aria-label": "Results" }, found.map((each) => result(each)))
        ]
    )
  } catch (error) {
    if (!isOver(error)) fill(results, alert(error))
  }
}

const recall = ({ namespace, words }: Question, signal: AbortSignal) =>
  send("/recall", {
    method: "POST",
    body: { context: words, explain: true, ...(namespace === "" ? {} : { namespace }) },
    signal
  })

const search = ({ namespace, words }: Question, signal: AbortSignal) =>
  send(`/search${query({ q: words, namespace })}`, { signal })

const evidence = (body: Json): Child => {
  if (!isRecord(body["evidence"])) return "Those that have all the words come first."
  const { coverage, strength } = body["evidence"]
  const lacking = texts(body["degraded"]).includes("embeddings")
  const how = body["mode"] === "hybrid" ? "by words and by meaning" : "by words"
  return `Found ${how}${lacking ? " (the embedder does not answer)" : ""}. The best one has ${
    percent(number(coverage))
  } of the words asked; evidence ${percent(number(strength))}.`
}

const percent = (share: number): string => `${Math.round(share * 100)} %`

const result = (found: Json): HTMLLIElement => {
  if (!("score" in found)) {
    const matched = found["matched"] === "all" ? "It has all the words." : "It has some of the words."
    return Memories.card(Memories.read(found), h("p", { class: "aside" }, matched))
  }
  return Memories.card(Memories.read(found), why(number(found["score"]), record(found["explain"])))
}

const PARTS: ReadonlyArray<readonly [field: string, name: string]> = [
  ["keyword", "Words"],
  ["semantic", "Meaning"],
  ["time", "Times named"],
  ["context", "Written beside it"]
]
const FACTORS: ReadonlyArray<readonly [field: string, name: string]> = [
  ["worth", "Priority, confidence, tier and age"],
  ["use", "How often it was of use"],
  ["distance", "Namespace above the one asked for"]
]

/** What a score is made of. A bar shows what its number says. */
const why = (score: number, explain: Json): HTMLElement =>
  h(
    "details",
    {},
    h("summary", {}, `Why it came: score ${score.toFixed(3)}`),
    h(
      "table",
      { class: "pairs" },
      h("caption", { class: "unseen" }, "What the score is made of"),
      h("thead", {}, h("tr", {}, ["Part", "How much"].map((name) => h("th", { scope: "col" }, name)))),
      h(
        "tbody",
        {},
        PARTS.map(([field, name]) => {
          const value = number(explain[field])
          const bar = h("meter", { min: 0, max: 1, value, "aria-hidden": "true" })
          return row(name, [value.toFixed(3), " ", bar])
        }),
        FACTORS.map(([field, name]) => row(name, `× ${number(explain[field]).toFixed(3)}`))
      )
    )
  )

const row = (name: string, value: Child): HTMLElement =>
  h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value))
