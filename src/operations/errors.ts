import * as Schema from "effect/Schema"
import { OpId, PeerId } from "../domain/ids.js"
import { ACTIONS } from "../domain/PendingAction.js"

/** No visible memory has this id or prefix. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {}) {
  override get message() {
    return "not found"
  }
}

/** One of the memories that a request names is not there; nothing was written. */
export class SourceNotFound extends Schema.TaggedError<SourceNotFound>()("SourceNotFound", {
  /** Which of them, as in `ids[2]`. */
  field: Schema.String
}) {
  override get message() {
    return `${this.field} not found`
  }
}

/** No agent is registered by this id. */
export class AgentNotFound extends Schema.TaggedError<AgentNotFound>()("AgentNotFound", {}) {
  override get message() {
    return "no agent is registered by this id: register it by POST /api/v1/agents"
  }
}

/** No archived memory has this id. */
export class NotArchived extends Schema.TaggedError<NotArchived>()("NotArchived", {}) {
  override get message() {
    return "not found in archive"
  }
}

/** More than one memory id begins with the given prefix. */
export class AmbiguousPrefix extends Schema.TaggedError<AmbiguousPrefix>()("AmbiguousPrefix", {
  /** The first two of them. */
  ids: Schema.Array(Schema.String)
}) {
  override get message() {
    return `ambiguous ID prefix: it begins ${this.ids.join(", ")} and perhaps more; give more characters`
  }
}

/** The rules of a namespace do not let the caller do it; nothing was written. */
export class Denied extends Schema.TaggedError<Denied>()("Denied", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** What says to be signed by an agent does not have the signature of its key; nothing was written. */
export class AttestationFailed extends Schema.TaggedError<AttestationFailed>()("AttestationFailed", {
  detail: Schema.String
}) {
  override get message() {
    return `agent attestation failed: ${this.detail}`
  }
}

/**
 * The rules of the namespace ask for approval: the write was queued as a pending action, which met its quorum, and is done
 * once it is approved.
 */
export class AwaitingApproval extends Schema.TaggedError<AwaitingApproval>()("AwaitingApproval", {
  pendingId: Schema.String,
  action: Schema.Literal(...ACTIONS),
  namespace: Schema.String,
  /** What would be deleted or promoted. */
  memoryId: Schema.NullOr(Schema.String),
  opId: OpId,
  acks: Schema.Int,
  ackedBy: Schema.Array(PeerId)
}) {
  override get message() {
    return `governance requires approval: ${this.action} is pending as ${this.pendingId}`
  }
}

/** There is no such pending action, or nothing is left to be decided about it. */
export class NotPending extends Schema.TaggedError<NotPending>()("NotPending", {}) {
  override get message() {
    return "pending action not found or already decided"
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

/** The memory is the standard of a namespace, whose rules would be gone with it; nothing was written. */
export class StandardInUse extends Schema.TaggedError<StandardInUse>()("StandardInUse", {
  id: Schema.String,
  namespace: Schema.String
}) {
  override get message() {
    return `this memory is the standard of namespace ${this.namespace}: set another one or clear it first`
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

/** There is no such link; nothing was written. */
export class LinkNotFound extends Schema.TaggedError<LinkNotFound>()("LinkNotFound", {}) {
  override get message() {
    return "not found"
  }
}

/** What is asked for compares meanings, and this node has no model for that, or none that answers. */
export class NoEmbedder extends Schema.TaggedError<NoEmbedder>()("NoEmbedder", {}) {
  override get message() {
    return "no embedder is loaded, or it does not answer: this node can not compare what memories mean"
  }
}

export { QuorumNotMet } from "../federation/Federation.js"
export { ClockSkewed, KeyReused, LocalWriteFailed, NotReady, Overloaded, ReadFailed } from "../store/errors.js"
