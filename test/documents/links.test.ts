import { assert, describe, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import { basename, posix } from "node:path"
import * as documents from "./documents.js"

const MOST_LINES_OF_THE_README = 200

describe("the documents", () => {
  it("begin with a README that is a way in, and no manual", () => {
    assert.isAtMost(documents.readme.text.trimEnd().split("\n").length, MOST_LINES_OF_THE_README)
  })

  for (const document of documents.all) {
    it(`have no link that leads nowhere: ${document.path}`, () => {
      for (const link of documents.links(document)) {
        const [file = "", anchor] = link.split("#")
        const path = file === "" ? document.path : posix.join(posix.dirname(document.path), file)
        assert.isTrue(existsSync(path), `${link}: there is no ${path}`)
        if (anchor !== undefined) assert.include([...documents.anchors(documents.read(path))], anchor, link)
      }
    })
  }

  it("name no file that is not there", () => {
    for (const document of documents.all) {
      const named = Array.from(
        document.text.matchAll(/`((?:[\w.-]+\/)+[\w.-]+\.(?:ts|mjs|md|json))`/g),
        ([, path]) => path
      )
      for (const path of named) {
        const places = ["", "src/", `${posix.dirname(document.path)}/`]
        assert.isTrue(places.some((place) => existsSync(`${place}${path}`)), `${document.path} names ${path}`)
      }
    }
  })

  it("have every page of the manual in its index, and lead back to it", () => {
    const listed = documents.rows(documents.index, "[").flatMap(([first = ""]) => /\((.+)\)/.exec(first)?.[1] ?? [])
    const pages = documents.manual.map(({ path }) => basename(path)).filter((name) => name !== "README.md")
    assert.deepStrictEqual(listed.toSorted(), pages.toSorted())
    for (const name of pages) {
      assert.include(documents.links(documents.page(name.slice(0, -".md".length))), "README.md", name)
    }
  })
})

/** What the head of a decision says of it and of others. */
const headOf = ({ path, text }: documents.Document) => {
  const head = text.split("\n## ", 1)[0] ?? ""
  const numbersOf = (part: string | undefined) =>
    Array.from((part ?? "").matchAll(/\[(\d{4})\]/g), ([, number]) => number)
  const amended = /amended by (.*(?:\n {2}.*)*)/.exec(head)?.[1]
  return {
    number: basename(path).slice(0, 4),
    title: /^# (\d{4})\. \S/.exec(head)?.[1],
    status: /^- Status: (proposed|accepted|superseded)\b/m.exec(head)?.[1],
    date: /^- Date: (\d{4}-\d\d-\d\d)$/m.exec(head)?.[1],
    amendedBy: numbersOf(amended),
    amends: Array.from(head.matchAll(/^- Amends: (\[\d{4}\])/gm)).flatMap(([, link]) => numbersOf(link))
  }
}

describe("the decisions", () => {
  const heads = documents.decisions.map(headOf)

  it("are numbered without a gap, and say what they are, of what state and of when", () => {
    heads.forEach(({ date, number, status, title }, index) => {
      assert.strictEqual(Number(number), index + 1)
      assert.strictEqual(title, number)
      assert.isDefined(status, number)
      assert.isDefined(date, number)
    })
  })

  it("refer to others by their numbers", () => {
    for (const { path, text } of documents.decisions) {
      for (const [link, number, file] of text.matchAll(/\[(\d{4})\]\(([^)]+)\)/g)) {
        assert.strictEqual(file?.slice(0, 4), number, `${path}: ${link}`)
      }
      for (const [, number = ""] of text.matchAll(/\bADR (\d{4})\b/g)) {
        assert.isTrue(heads.some((head) => head.number === number), `${path}: ${number}`)
      }
    }
  })

  it("say on both sides when one amends another, and only an earlier one", () => {
    const pairs = (list: ReadonlyArray<string>) => list.toSorted()
    const forward = heads.flatMap(({ amends, number }) => amends.map((earlier) => `${number} amends ${earlier}`))
    const backward = heads.flatMap(({ amendedBy, number }) => amendedBy.map((later) => `${later} amends ${number}`))
    assert.deepStrictEqual(pairs(forward), pairs(backward))
    assert.isNotEmpty(forward)
    for (const { amends, number } of heads) {
      for (const earlier of amends) assert.isBelow(Number(earlier), Number(number))
    }
  })
})
