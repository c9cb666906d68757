import { archives } from "./archives.js"
import { bank } from "./bank.js"
import { bulks } from "./bulks.js"
import { bursts } from "./bursts.js"
import { elsewhere } from "./elsewhere.js"
import { expiring } from "./expiring.js"
import { firstWrites } from "./firstWrites.js"
import { hotSlots } from "./hotSlots.js"
import { imports } from "./imports.js"
import { largeRows } from "./largeRows.js"
import { links } from "./links.js"
import { ownSlot } from "./ownSlot.js"
import { piles } from "./piles.js"
import { recalls } from "./recalls.js"
import { renames } from "./renames.js"
import { standards } from "./standards.js"
import { twins } from "./twins.js"
import { uniqueAdds } from "./uniqueAdds.js"
import { votes } from "./votes.js"
import type { Begin } from "./Workload.js"

/** Each seed takes some of them. */
export const workloads: Readonly<Record<string, Begin>> = {
  archives,
  bank,
  bulks,
  bursts,
  elsewhere,
  expiring,
  firstWrites,
  hotSlots,
  imports,
  largeRows,
  links,
  ownSlot,
  recalls,
  renames,
  standards,
  twins,
  uniqueAdds,
  votes
}

/** What a seed takes seldom, for what it costs. */
export const others: Readonly<Record<string, Begin>> = { piles }
