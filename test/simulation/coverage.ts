/** How much a simulation exercised, and how much half of the seeds of `npm test` must exercise, well below what they do. */
const least = {
  "calls": 5000,
  "acknowledged writes": 3000,
  "quorum not met": 600,
  "other 503s": 70,
  "lost calls": 80,
  "reads": 60,
  "retries": 900,
  "retries answered by key": 200,
  "crashes": 80,
  "crashes in a commit": 20,
  "power losses": 100,
  "stops": 20,
  "disks full": 100,
  "disk errors": 15,
  "disks lost: older": 1,
  "disks lost: same run": 3,
  "disks lost: folder": 3,
  "disks lost: emptied": 3,
  "disks lost: cloned": 3,
  "backups that end in a gap": 0,
  "writes at once after a start": 60,
  "deletes elsewhere": 70,
  "recalls": 2000,
  "promotions": 200,
  "saved from expiry": 50,
  "collected": 50,
  "imports of one title": 100,
  "bulks of one title": 100,
  "piles": 1,
  "new incarnations": 50,
  "addresses swapped": 4,
  "clocks hours ahead": 15,
  "leading clocks": 12,
  "partitions": 200,
  "one-way cuts": 50,
  "freezes": 60,
  "clock jumps": 60,
  "requests": 20000,
  "lost requests": 1000,
  "lost answers": 300,
  "duplicates": 700,
  "reorderings": 500,
  "relayed operations": 500,
  "poisoned requests": 20,
  "grouped pushes": 1000,
  "gaps": 9,
  "gaps filled": 9,
  "shadows": 15,
  "conflicts": 100,
  "deletes": 150,
  "renames": 150,
  "large rows": 40,
  "archive moves": 150,
  "links": 60,
  "consolidations": 20,
  "votes": 100,
  "standards": 200,
  "decisions": 50,
  "refused writes": 600,
  "calm writes": 500
}

export type Name = keyof typeof least

const isName = (text: string): text is Name => text in least
const names = Object.keys(least).filter(isName)

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

  /** What was exercised too little for a green run to mean something. */
  tooLittle(): ReadonlyArray<string> {
    return names.filter((name) => this.of(name) < least[name]).map((name) =>
      `${name}: ${this.of(name)} of ${least[name]}`
    )
  }

  toString(): string {
    return names.map((name) => `${name}: ${this.of(name)}`).join(", ")
  }
}
