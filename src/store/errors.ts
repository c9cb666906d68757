import * as Data from "effect/Data"
import * as Schema from "effect/Schema"

/** The local transaction failed and was rolled back: the write exists nowhere. */
export class LocalWriteFailed extends Schema.TaggedError<LocalWriteFailed>()("LocalWriteFailed", {
  detail: Schema.String,
  /** Its caller may not write there: the namespace, or nothing where it is not the caller's to know. */
  outside: Schema.optional(Schema.String),
  /** Why it would have no effect, as long as that is so. */
  void: Schema.optional(Schema.String),
  /**
   * It was the log of the site (store/site) that did not take it: `ahead`, as another daemon was first, so that it is to be decided
   * again; or it can not be asked, or did not confirm.
   */
  site: Schema.optional(Schema.Literal("ahead", "unavailable")),
  /** How many standbys of the store were to hold it as well, where these did not, or it is not known that they do. */
  standbys: Schema.optional(Schema.Int)
}) {
  override get message() {
    return `the local write failed and was rolled back: ${this.detail}`
  }
}

/** What is said of a write whose outcome is not known. */
export const IN_DOUBT = "it may be held there or not; ask again with the same Idempotency-Key"

/** The commit queue is full: refused before any commit, nothing was written. */
export class Overloaded extends Schema.TaggedError<Overloaded>()("Overloaded", {
  queued: Schema.Int
}) {
  override get message() {
    return `overloaded: ${this.queued} writes are waiting for the disk; nothing was written, try again shortly`
  }
}

/**
 * The clock of this node disagrees with those of most of its peers, so that they would refuse what it writes, or it what they
 * write. Refused before any commit, nothing was written.
 */
export class ClockSkewed extends Schema.TaggedError<ClockSkewed>()("ClockSkewed", {
  /** How far this node's clock is ahead of theirs; negative when it is behind. */
  aheadMillis: Schema.Number,
  /** How many peers that is so with, and how many there are. */
  peers: Schema.Int,
  of: Schema.Int
}) {
  override get message() {
    const seconds = Math.round(Math.abs(this.aheadMillis) / 1000)
    const where = this.aheadMillis > 0 ? "ahead of" : "behind"
    return `this node's clock is ${seconds} s ${where} ${this.peers} of its ${this.of} peers; nothing was written; set the clock`
  }
}

/**
 * The file of the database is damaged, or stands no longer where it was opened: nothing was written, and nothing will be before
 * somebody has looked at it. Or the store of its site does not take or confirm what is written, and the detail says which.
 */
export class NotReady extends Schema.TaggedError<NotReady>()("NotReady", {
  detail: Schema.String,
  /** The same as that of `LocalWriteFailed`. */
  standbys: Schema.optional(Schema.Int)
}) {
  override get message() {
    return `not ready: ${this.detail}`
  }
}

/** Why what others bring is not written. */
export type NotWritten = LocalWriteFailed | NotReady | Overloaded

/** What was to be read of the file of the database makes no sense, or its disk does not give it. */
export class FileUnusable extends Data.TaggedError("FileUnusable")<{
  /** Which file, what is wrong with it, and what is to be done. */
  readonly why: string
  readonly cause: unknown
}> {
  override get message() {
    return this.why
  }
}

/** A read of the database failed: nothing a caller can put right. */
export class ReadFailed extends Schema.TaggedError<ReadFailed>()("ReadFailed", {
  cause: Schema.Defect
}) {
  override get message() {
    return "reading the database failed"
  }

  /** Which file it was, and what is wrong with that; null where it is not the file. */
  get unusable(): string | null {
    const { cause } = this
    const inner = cause instanceof Error ? cause.cause : undefined
    return [cause, inner].find((error) => error instanceof FileUnusable)?.why ?? null
  }
}

/** The idempotency key was used before, for another request. Nothing was written. */
export class KeyReused extends Schema.TaggedError<KeyReused>()("KeyReused", {}) {
  override get message() {
    return "this Idempotency-Key was already used with another request body; use a new key for a new write"
  }
}
