// The bodies that every shape stores: 560 bytes of JSON, legal for Quorate, with words distributed as in prose
// (a few common, many rare), so that the full-text index does the work it would do in use.

export const BODY_BYTES = 560

const TITLE_START = "{\"title\":\"note "
const NUMBER_DIGITS = 10
const VOCABULARY = 20_000
const SYLLABLES = "ba den fi gor hal ik jun kes lom mar nev op pir ros sut tal".split(" ")

/** A seeded source of numbers in [0, 1): the same bodies in every run. */
export const seededRandom = (seed) => {
  let state = seed >>> 0
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

const wordOfRank = (rank) => {
  let word = ""
  for (let rest = rank + SYLLABLES.length; rest > 0; rest = Math.floor(rest / SYLLABLES.length)) {
    word += SYLLABLES[rest % SYLLABLES.length]
  }
  return word
}

/** Words by Zipf's law: the word of rank r, counted from 0, is drawn with a weight of about 1/r. */
export const wordSource = (random, words) => {
  const cumulative = []
  let total = 0
  for (let rank = 0; rank < words.length; rank++) {
    total += 1 / (rank + 3)
    cumulative.push(total)
  }
  return () => {
    const target = random() * total
    let low = 0
    let high = words.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (cumulative[middle] < target) low = middle + 1
      else high = middle
    }
    return words[low]
  }
}

const makeBody = (random, nextWord) => {
  const memory = (content) =>
    JSON.stringify({
      title: `note ${"0".repeat(NUMBER_DIGITS)} ${title}`,
      content,
      namespace: "bench",
      tags,
      priority,
      confidence,
      source: "api",
      metadata
    })
  const title = `${nextWord()} ${nextWord()}`.slice(0, 20)
  const tags = [`a${nextWord()}`, `b${nextWord()}`, "project"]
  const priority = 1 + Math.floor(random() * 10)
  const confidence = Math.round(random() * 100) / 100
  const metadata = { session: `s${Math.floor(random() * 1e9)}`, tool: "editor" }
  const room = BODY_BYTES - memory("").length
  let content = nextWord()
  while (content.length < room) content += ` ${nextWord()}`
  return Buffer.from(memory(`${content.slice(0, room - 1)}.`), "latin1")
}

/** `count` different bodies of exactly `BODY_BYTES` bytes, each with a number in its title. */
export const makeBodies = (count, seed = 2718) => {
  const random = seededRandom(seed)
  const nextWord = wordSource(random, Array.from({ length: VOCABULARY }, (_, rank) => wordOfRank(rank)))
  return Array.from({ length: count }, () => makeBody(random, nextWord))
}

/** Copies `body` into `target` at `offset` with `number` in its title: titles are unique, as Quorate wants them. */
export const writeNumbered = (body, number, target, offset) => {
  body.copy(target, offset)
  const last = offset + TITLE_START.length + NUMBER_DIGITS - 1
  for (let rest = number, at = last; rest > 0; rest = Math.floor(rest / 10), at--) target[at] = 48 + (rest % 10)
}
