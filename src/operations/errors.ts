import * as Schema from "effect/Schema"

/** No visible memory has this id or prefix. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {}) {
  override get message() {
    return "not found"
  }
}

/** More than one memory id begins with the given prefix. */
export class AmbiguousPrefix extends Schema.TaggedError<AmbiguousPrefix>()("AmbiguousPrefix", {
  matches: Schema.Int
}) {
  override get message() {
    return `ambiguous ID prefix: ${this.matches} or more memories begin with it; give more characters`
  }
}

/** The rules of a namespace do not let the caller do it; nothing was written. */
export class Denied extends Schema.TaggedError<Denied>()("Denied", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** Another memory holds the slot (namespace, title). */
export class SlotTaken extends Schema.TaggedError<SlotTaken>()("SlotTaken", {
  namespace: Schema.String,
  existingId: Schema.String
}) {
  override get message() {
    return `a memory with this title already exists in namespace ${this.namespace}`
  }
}

/** The memory is not (any more) at the version the caller expected; nothing was written. */
export class VersionMismatch extends Schema.TaggedError<VersionMismatch>()("VersionMismatch", {
  currentVersion: Schema.String
}) {
  override get message() {
    return `the memory changed meanwhile: its version is now ${this.currentVersion}`
  }
}

export { QuorumNotMet } from "../federation/Federation.js"
export { ClockBehind, KeyReused, LocalWriteFailed, Overloaded, ReadFailed } from "../store/errors.js"
