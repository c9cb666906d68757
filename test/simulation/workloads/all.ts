import { archives } from "./archives.js"
import { bank } from "./bank.js"
import { bursts } from "./bursts.js"
import { firstWrites } from "./firstWrites.js"
import { hotSlots } from "./hotSlots.js"
import { largeRows } from "./largeRows.js"
import { links } from "./links.js"
import { ownSlot } from "./ownSlot.js"
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
  bursts,
  firstWrites,
  hotSlots,
  largeRows,
  links,
  ownSlot,
  renames,
  standards,
  twins,
  uniqueAdds,
  votes
}
