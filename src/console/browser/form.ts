import type { State } from "./compared.js"
import * as Controls from "./controls.js"
import { h } from "./dom.js"
import type { Json } from "./json.js"

/* The fields of a memory that people write. */

export const TIERS = ["short", "mid", "long"] as const
const LASTS: Readonly<Record<string, string>> = {
  short: "short: hours",
  mid: "mid: days, longer when it is of use",
  long: "long: for good"
}
const DEFAULT_PRIORITY = 5

export interface Form {
  readonly fields: ReadonlyArray<HTMLElement>
  readonly controls: Readonly<Record<"title" | "content" | "namespace" | "tier" | "tags" | "priority", Control>>
  readonly state: () => State
  /** Puts a memory in, as its author has not touched it yet. */
  readonly set: (state: State) => void
}

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement

export const make = (options: { readonly tiers: ReadonlyArray<string>; readonly signal: AbortSignal }): Form => {
  const title = h("input", { type: "text", required: true, autocomplete: "off" })
  const content = h("textarea", { required: true, rows: 8 })
  const { input: namespace, list } = Controls.namespaceInput("", options.signal)
  const tier = Controls.select(options.tiers.map((each) => [each, LASTS[each] ?? each]), "long")
  const tags = h("textarea", { rows: 2 })
  const priority = h("input", { type: "number", value: DEFAULT_PRIORITY })
  return {
    fields: [
      Controls.field("Title", title, "What others find it by. One of its kind in its namespace."),
      Controls.field("Content", content),
      h(
        "div",
        { class: "fields" },
        Controls.field("Namespace", namespace, "Empty: global."),
        Controls.field("Tier", tier, "How long it lives."),
        Controls.field("Priority", priority, "1 to 10: what is more important.")
      ),
      Controls.field("Tags", tags, "One a line."),
      list
    ],
    controls: { title, content, namespace, tier, tags, priority },
    state: () => ({
      title: title.value,
      content: content.value,
      namespace: namespace.value.trim(),
      tier: tier.value,
      tags: tags.value.split("\n").map((tag) => tag.trim()).filter((tag) => tag !== ""),
      priority: Number(priority.value)
    }),
    set: (state) => {
      title.value = state.title
      content.value = state.content
      namespace.value = state.namespace
      tier.value = state.tier
      tags.value = state.tags.join("\n")
      priority.value = String(state.priority)
    }
  }
}

/** The fields in which one state is not as the other, as the node takes them. */
export const changes = (before: State, after: State): Json =>
  Object.fromEntries(
    (["title", "content", "namespace", "tier", "tags", "priority"] as const)
      .filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
      .map((name) => [name, after[name]])
  )
