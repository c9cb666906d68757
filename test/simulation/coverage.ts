/** How much a simulation exercised. A green run that did nothing proves nothing. */
export const names = [
  "calls",
  "acknowledged writes",
  "quorum not met",
  "other 503s",
  "lost calls",
  "reads",
  "retries",
  "retries answered by key",
  "crashes",
  "crashes in a commit",
  "power losses",
  "stops",
  "disks full",
  "disk errors",
  "old disks restored",
  "new incarnations",
  "partitions",
  "one-way cuts",
  "freezes",
  "clock jumps",
  "requests",
  "lost requests",
  "lost answers",
  "duplicates",
  "reorderings",
  "relayed operations",
  "poisoned requests",
  "grouped pushes",
  "gaps",
  "gaps filled",
  "shadows",
  "conflicts",
  "deletes",
  "renames",
  "large rows",
  "archive moves",
  "links",
  "consolidations",
  "votes",
  "standards",
  "decisions",
  "refused writes",
  "calm writes"
] as const

export type Name = (typeof names)[number]

export class Coverage {
  private readonly counts = new Map<Name, number>()

  add(name: Name, count = 1): void {
    this.counts.set(name, this.of(name) + count)
  }

  of(name: Name): number {
    return this.counts.get(name) ?? 0
  }

  merge(other: Coverage): void {
    for (const name of names) this.add(name, other.of(name))
  }

  toString(): string {
    return names.map((name) => `${name}: ${this.of(name)}`).join(", ")
  }
}

/** What each half of the seeds of `npm test` exercises at least, well below what it does. */
export const least: ReadonlyArray<readonly [name: Name, count: number]> = []
