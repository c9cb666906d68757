import * as Earned from "../../domain/Earned.js"
import { earnedBy, readEarned } from "../state/earned.js"
import type { Decision } from "./Decision.js"
import type { Held, Transaction } from "./Transaction.js"

/**
 * What a memory earns beside all that its version has earned before. It takes the place of that, and of what older versions
 * earned: what a newer one did, which is not here yet, is none of its business.
 */
export const earning = (
  now: Pick<Transaction, "versions">,
  { version: { hlc, id, origin } }: Held,
  more: Partial<Pick<Earned.Earned, "long" | "priority" | "expires_at" | "expired">>
): Decision => {
  const known = now.versions("earned", id)
  const before = Earned.nothing({ memory_id: id, hlc, origin })
  return {
    payload: {
      kind: "earn",
      earned: Earned.join(earnedBy(known, { hlc, origin }) ?? before, { ...before, ...more })
    },
    baseHlc: null,
    covers: known.filter(({ body }) => !isForNewer(body, { hlc, origin })).map(({ ref }) => ref)
  }
}

const isForNewer = (body: string, version: Pick<Earned.Earned, "hlc" | "origin">): boolean => {
  const { hlc, origin } = readEarned(body)
  return hlc !== version.hlc ? hlc > version.hlc : origin > version.origin
}
