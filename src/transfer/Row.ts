import type { Stamp } from "../domain/Stamp.js"

/** What an export of ours is made of. */
export const WHOLE = ["memory", "archived", "conflict", "link", "standard", "pending"] as const
export type Whole = (typeof WHOLE)[number]

/** What a thing is called in its source: the parts that make it one of a kind there. Its id is made of them. */
export type Key = ReadonlyArray<string>

/** A memory to be, as far as its source knows it. Only a text is needed. */
export interface Draft {
  /** Where the source has none, it is known by what it says. */
  readonly key?: Key | undefined
  /** Names under which texts of the source may link to it, beside its title. */
  readonly names?: ReadonlyArray<string>
  readonly title?: string | undefined
  readonly content: string
  readonly tags?: ReadonlyArray<string>
  readonly created?: Stamp | undefined
  readonly updated?: Stamp | undefined
  /** It is all of a file: what says nothing of its last change was changed when that was. */
  readonly isFile?: boolean
  readonly metadata?: Readonly<Record<string, unknown>>
  /** Fields of a memory that the source has words for, as they came. */
  readonly fields?: Readonly<Record<string, unknown>>
}

/** A link to be. Its ends may come before it or after it. */
export interface LinkDraft {
  readonly source: Key
  readonly target: Key | { readonly name: string }
  readonly relation: string
  readonly created?: Stamp | undefined
  /** Nothing is wrong when an end of it is not there. */
  readonly isOptional?: boolean
}

/** What a piece of a source comes to. */
export type Row =
  | { readonly kind: "draft"; readonly draft: Draft }
  | { readonly kind: "link"; readonly link: LinkDraft }
  /** A row of an export, as it is. One without an id is a draft: only a text is needed. */
  | { readonly kind: "whole"; readonly type: Whole; readonly value: Readonly<Record<string, unknown>> }
  /** It can not be taken, or only in part. */
  | { readonly kind: "problem" | "remark"; readonly reason: string }

export const remark = (reason: string): Row => ({ kind: "remark", reason })
export const problem = (reason: string): Row => ({ kind: "problem", reason })
export const drafted = (draft: Draft): Row => ({ kind: "draft", draft })
export const linked = (link: LinkDraft): Row => ({ kind: "link", link })

/** A part of a source that is read by itself. */
export interface Piece {
  /** From 1. */
  readonly line: number
  /** The list of a JSON object that it stands in; empty for an element of a list that is all there is, and for a line. */
  readonly list: string
  readonly value: unknown
}

/** A format that is made of JSON: what a piece of it comes to; undefined where it is none of its pieces. */
export interface Format {
  readonly name: string
  readonly read: (piece: Piece) => ReadonlyArray<Row> | undefined
}
