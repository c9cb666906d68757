import * as Option from "effect/Option"
import type { PublicKey, Signer } from "./ed25519.js"
import type { Levels } from "./gate.js"
import type { KeyRing } from "./KeyRing.js"

/*
 * Whose operations are whose, as far as this node knows: the keys by which nodes seal what they write (ADR 0030). Everything
 * that says so is asked here: the folder of keys, and whatever vouches for a key.
 */

/** What is known of the keys of nodes now. */
export interface Authors {
  /** `enrolled`: nodes whose key is known here seal what they write. `all`: nobody else writes. `off`: nothing is looked at. */
  readonly level: Levels["signatures"]
  /** By what a node seals that has its secret here. */
  readonly signerOf: (nodeId: string) => Signer | undefined
  /** The keys that a node may have, the one before the others that it should use. */
  readonly keysOf: (nodeId: string) => ReadonlyArray<PublicKey>
  /**
   * The last operation of an origin that counts under a key (64 hex digits) that was revoked: 0 where none does, and none where
   * the key was not revoked.
   */
  readonly lastOf: (key: string, origin: string) => Option.Option<number>
  /** Whether the node has a key though none counts here, for it was revoked, or its file is no good: it never writes without. */
  readonly mustSeal: (nodeId: string) => boolean
}

/** Nobody has a key. */
export const none: Authors = {
  level: "enrolled",
  signerOf: () => undefined,
  keysOf: () => [],
  lastOf: () => Option.none(),
  mustSeal: () => false
}

/** By the keys of a folder. */
export const make = (keys: KeyRing, level: Authors["level"]): Authors => ({
  ...none,
  level,
  signerOf: (nodeId) => Option.getOrUndefined(Option.fromNullable(keys.find(nodeId)?.signer).pipe(Option.flatten)),
  keysOf: (nodeId) => {
    const key = keys.find(nodeId)?.publicKey
    return key === undefined ? [] : [key]
  },
  mustSeal: keys.isEnrolled
})
