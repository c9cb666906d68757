/**
 * What is written down of what concerns security, by the names of the original where it has one (identity.md 7.3). A closed set:
 * it labels a metric.
 */
export const AUDIT_EVENT_TYPES = [
  /** A rule forbids a request to another node. */
  "governance.refusal",
  /** Rules were added, removed, enabled or disabled. */
  "governance.rule_changed",
  /** This node presents a new credential. */
  "federation.credential_renewed",
  /** A credential, a chain or a certificate was no proof. */
  "federation.credential_refused",
  /** A message was not taken for its signature or its nonce. */
  "federation.signature_refused",
  /** A message was not taken because nobody here knows its sender. */
  "federation.unknown_peer",
  /** A peer wanted to push or pull what it may not. */
  "federation.scope_refused",
  /** An operation was not taken: malformed, unsigned, falsely signed, or under a name that is another's. */
  "federation.operation_refused",
  /** An operation is held without effect, because its author had no right to it. */
  "federation.operation_void",
  /** A void operation has its effect after all: an earlier rule arrived. */
  "federation.operation_valid",
  /** A key is not to be trusted from some operation on. */
  "federation.key_revoked",
  /** An origin said what it stands for of what it wrote before. */
  "federation.origin_endorsed",
  /** Somebody used a key with the scope `admin`. */
  "access.admin_key_used",
  /** A key, or none, did not open what was asked for. */
  "access.key_refused",
  /** What an agent wrote does not have its signature. */
  "access.attestation_refused",
  /** A text that looks like a credential was stored, or refused. */
  "memory.secret_found",
  "memory.quarantined",
  "memory.released",
  "memory.reverted",
  /** Somebody is told of what is changed from now on, or is not any more. */
  "subscription.created",
  "subscription.removed"
] as const
export type AuditEventType = (typeof AUDIT_EVENT_TYPES)[number]

export interface AuditEvent {
  readonly type: AuditEventType
  /** Who did it, or says so. */
  readonly agentId: string
  /** Of no use to who reads it in secret: no key, no secret and no text of a memory. */
  readonly payload: Readonly<Record<string, unknown>>
}
