import { MAX_NAMESPACE_CHARS } from "./limits.js"

/*
 * Some of all namespaces, as patterns (identity.md 2.1): `*` and `**` are all; `p/**` is p and what is below it; `p/*` exactly one
 * segment below; `*` and then `/s` one segment above; everything else is the namespace itself.
 */

/** What somebody may see or touch: the namespaces of all patterns together. None is nothing. */
export type Namespaces = ReadonlyArray<string>

/** Of one pattern. */
export const MAX_PATTERN_CHARS = MAX_NAMESPACE_CHARS + 3
/** Patterns of one peer or key at most. */
export const MAX_PATTERNS = 256

/** One of these forms, decided in this order. */
type Form =
  | { readonly _tag: "all" }
  | { readonly _tag: "subtree"; readonly root: string }
  | { readonly _tag: "children"; readonly parent: string }
  | { readonly _tag: "named"; readonly last: string }
  | { readonly _tag: "exactly"; readonly namespace: string }

export const formOf = (pattern: string): Form => {
  if (pattern === "*" || pattern === "**") return { _tag: "all" }
  if (pattern.endsWith("/**")) return { _tag: "subtree", root: pattern.slice(0, -3) }
  if (pattern.endsWith("/*")) return { _tag: "children", parent: pattern.slice(0, -2) }
  if (pattern.startsWith("*/")) return { _tag: "named", last: pattern.slice(2) }
  return { _tag: "exactly", namespace: pattern }
}

export const allows = (patterns: Namespaces, namespace: string): boolean =>
  patterns.some((pattern) => matches(formOf(pattern), namespace))

/** Whether nothing is left out. */
export const areAll = (patterns: Namespaces): boolean => patterns.some((pattern) => formOf(pattern)._tag === "all")

const matches = (form: Form, namespace: string): boolean => {
  switch (form._tag) {
    case "all":
      return true
    case "subtree":
      return namespace === form.root || namespace.startsWith(`${form.root}/`)
    case "children":
      return namespace.startsWith(`${form.parent}/`) && isSegment(namespace.slice(form.parent.length + 1))
    case "named":
      return namespace.endsWith(`/${form.last}`) && isSegment(namespace.slice(0, -form.last.length - 1))
    case "exactly":
      return namespace === form.namespace
  }
}

const isSegment = (text: string): boolean => text !== "" && !text.includes("/")

/** Whether a text may be a pattern: of printable characters, without a blank, and not much longer than a namespace. */
export const isPattern = (text: string): boolean => text.length <= MAX_PATTERN_CHARS && /^[^\s\p{C}]+$/u.test(text)
