import { h } from "./dom.js"
import { type Memory, moment } from "./memories.js"

/** What two states of a memory can differ in. */
export type State = Pick<Memory, "title" | "content" | "namespace" | "tier" | "tags" | "priority"> & {
  readonly updatedAt?: string
}

interface Side {
  readonly name: string
  /** Undefined when it is gone. */
  readonly state: State | undefined
  readonly note?: string
}

const FIELDS: ReadonlyArray<readonly [name: string, of: (state: State) => string]> = [
  ["Title", ({ title }) => title],
  ["Content", ({ content }) => content],
  ["Namespace", ({ namespace }) => namespace],
  ["Tier", ({ tier }) => tier],
  ["Tags", ({ tags }) => tags.join(", ")],
  ["Priority", ({ priority }) => String(priority)]
]

/** Two states side by side. Where they differ it is marked, and said. */
export const compared = (left: Side, right: Side): HTMLElement =>
  h("div", { class: "sides" }, side(left, right), side(right, left))

const side = ({ name, note, state }: Side, { state: other }: Side): HTMLElement =>
  h(
    "section",
    { class: "side", "aria-label": name },
    h("h4", {}, name),
    note === undefined ? undefined : h("p", { class: "aside" }, note),
    state === undefined ? h("p", {}, "It is not there any more.") : h(
      "dl",
      {},
      FIELDS.map(([field, of]) => {
        const differs = other !== undefined && of(other) !== of(state)
        return h(
          "div",
          { class: differs ? "differs" : undefined },
          h("dt", {}, field, differs ? " (differs)" : ""),
          h("dd", {}, of(state) === "" ? "none" : of(state))
        )
      }),
      state.updatedAt === undefined
        ? undefined
        : h("div", {}, h("dt", {}, "Written"), h("dd", {}, moment(state.updatedAt)))
    )
  )
