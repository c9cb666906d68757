import * as Predicate from "effect/Predicate"
import { textOf } from "../fields.js"
import { type Format, type Row, WHOLE, type Whole } from "../Row.js"

/** The lists of an export, ours or the original's, and what stands in each. */
const LISTS: ReadonlyMap<string, Whole> = new Map([
  ["memories", "memory"],
  ["archived", "archived"],
  ["conflicts", "conflict"],
  ["links", "link"],
  ["standards", "standard"],
  ["pendings", "pending"]
])

/**
 * Our own export, as lines or as one object, and that of the original. A line or an element without a `type` that has a
 * `content` is a memory: only that is needed.
 */
export const quorate: Format = {
  name: "quorate",
  read: ({ list, value }) => {
    if (!Predicate.isRecord(value)) return undefined
    const ofList = LISTS.get(list)
    if (ofList !== undefined) {
      return ofList === "memory" && textOf(value, "content") === undefined && !Predicate.isString(value["title"])
        ? undefined
        : [whole(ofList, value)]
    }
    if (list !== "") return undefined
    const { type, ...rest } = value
    const ofType = WHOLE.find((known) => known === type)
    if (ofType !== undefined) return [whole(ofType, rest)]
    const isPlain = textOf(value, "content") !== undefined && value["role"] === undefined &&
      value["sender"] === undefined
    return isPlain ? [whole("memory", value)] : undefined
  }
}

const whole = (type: Whole, value: Readonly<Record<string, unknown>>): Row => ({ kind: "whole", type, value })
