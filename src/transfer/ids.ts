import { createHash } from "node:crypto"

/**
 * The id of what comes from elsewhere: the same for the same thing of the same source in the same namespace, on every node and
 * at any time, so that what is imported twice is one memory. A UUID of version 8: sixteen bytes of a SHA-256.
 */
export const stableId = (parts: ReadonlyArray<string>): string => {
  const digest = createHash("sha256").update(JSON.stringify(["quorate import 1", ...parts])).digest()
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x80
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80
  const hex = digest.toString("hex")
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-")
}

/** Of a memory whose source has no name for it: what it says. */
export const idOfText = (memory: { readonly namespace: string; readonly title: string; readonly content: string }) =>
  stableId(["text", memory.namespace, memory.title, memory.content])
