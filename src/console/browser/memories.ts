import { type Child, h } from "./dom.js"
import { type Json, number, record, text, texts } from "./json.js"

/** A memory as the console shows it. */
export interface Memory {
  readonly id: string
  readonly title: string
  readonly content: string
  readonly namespace: string
  readonly tier: string
  readonly tags: ReadonlyArray<string>
  readonly priority: number
  readonly confidence: number
  readonly source: string
  readonly createdAt: string
  /** Its version, too. */
  readonly updatedAt: string
  readonly expiresAt: string
  readonly uses: number
  /** Who wrote it first. */
  readonly agent: string
}

export const read = (body: Json): Memory => ({
  id: text(body["id"]),
  title: text(body["title"]),
  content: text(body["content"]),
  namespace: text(body["namespace"]),
  tier: text(body["tier"]),
  tags: texts(body["tags"]),
  priority: number(body["priority"]),
  confidence: number(body["confidence"]),
  source: text(body["source"]),
  createdAt: text(body["created_at"]),
  updatedAt: text(body["updated_at"]),
  expiresAt: text(body["expires_at"]),
  uses: number(body["access_count"]),
  agent: text(record(body["metadata"])["agent_id"])
})

/** Where it is shown. */
export const place = (id: string): string => `#/memory/${encodeURIComponent(id)}`

/** A moment in the words of the reader's place; the exact one stands behind it. */
export const moment = (stamp: string): HTMLElement | undefined => {
  const at = new Date(stamp)
  if (stamp === "" || Number.isNaN(at.getTime())) return undefined
  const shown = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })
  return h("time", { datetime: stamp, title: stamp }, shown)
}

export const tags = (names: ReadonlyArray<string>): Child =>
  names.length === 0
    ? undefined
    : h("ul", { class: "tags", "aria-label": "Tags" }, names.map((name) => h("li", {}, name)))

/** One of a list: its title leads to it. */
export const card = (memory: Memory, ...more: ReadonlyArray<Child>): HTMLLIElement =>
  h(
    "li",
    { class: "card" },
    h(
      "div",
      { class: "head" },
      h("h2", {}, h("a", { href: place(memory.id), "data-item": true }, memory.title)),
      h("span", { class: "aside" }, memory.namespace, ", ", memory.tier, ", ", moment(memory.updatedAt))
    ),
    h("p", { class: "content short" }, memory.content),
    tags(memory.tags),
    ...more
  )

/** A name and a value each; what has no value is left out. */
export const facts = (rows: ReadonlyArray<readonly [name: string, value: Child]>): HTMLElement =>
  h(
    "dl",
    { class: "facts" },
    rows.flatMap(([name, value]) =>
      value === undefined || value === "" ? [] : [h("div", {}, h("dt", {}, name), h("dd", {}, value))]
    )
  )
