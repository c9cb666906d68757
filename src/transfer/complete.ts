import * as Predicate from "effect/Predicate"
import { madeTitle } from "../domain/madeTitle.js"
import type { Stamp } from "../domain/Stamp.js"
import { tidy, tidyTitle } from "../domain/text.js"
import { fieldOf, type Fields } from "./fields.js"
import { idOfText } from "./ids.js"

/** The namespace of what names none, as in a request that stores one memory. */
const USUAL_NAMESPACE = "global"

/** A row that has no id is a memory to be, of which only the text is needed. */
export const isDraft = (value: unknown): value is Fields =>
  Predicate.isRecord(value) && !Object.hasOwn(value, "id") && Predicate.isString(fieldOf(value, "content"))

/**
 * A memory to be with all that a memory has. What it does not say it gets: a title out of its text, the tier `long`, `now` for
 * its dates, and where it has no id, one that the same text has everywhere. What it says stays as it is, right or wrong.
 */
export const complete = (draft: Fields, now: Stamp): Fields => {
  const { metadata, namespace = USUAL_NAMESPACE, title, ...rest } = withoutNull(draft)
  const content = Predicate.isString(rest["content"]) ? tidy(rest["content"]) : ""
  const given = Predicate.isString(title) ? tidyTitle(title) : ""
  const created = rest["created_at"] ?? rest["updated_at"] ?? now
  return {
    id: idOfText({ namespace: String(namespace), title: given, content }),
    namespace,
    title: given === "" && (title === undefined || Predicate.isString(title)) ? madeTitle(content) : title,
    tier: "long",
    tags: [],
    priority: 5,
    confidence: 1,
    source: "import",
    access_count: 0,
    ...rest,
    created_at: created,
    updated_at: rest["updated_at"] ?? created,
    metadata: metadata ?? {}
  }
}

/** Null stands for absent. */
const withoutNull = (draft: Fields): Fields =>
  Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== null))
