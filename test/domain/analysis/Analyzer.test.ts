import { assert, describe, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Analyzer from "../../../src/domain/analysis/Analyzer.js"
import { languageIn } from "../../../src/domain/analysis/namespaceLanguages.js"
import { ask, hasAll, hasSome, index, isOfTime } from "./matching.js"

const WORDS = [
  "deploying the services",
  "Die Verfügbarkeit der Server war nicht gut und das Passwort für die Datenbank ist neu",
  "Les réunions de l'équipe ont été déplacées pour qu'on puisse déployer",
  "сервер был перезагружен и мы не знаем почему",
  "база даних була оновлена, але ми не знаємо чого",
  "東京都庁で会議があります",
  "数据库密码在保险柜里",
  "รหัสผ่านของฐานข้อมูล",
  "서울에서 배포했다",
  "قاعدة البيانات مُعَطَّلة",
  "הַשָּׁלוֹם",
  "डेटाबेस का पासवर्ड",
  "Ο διακομιστής σταμάτησε",
  "localhost:9077 std::vector 10:00 index.js:12:7 https://example.org/a/b?c=d#e 2026-05-03T10:00:00Z anna+bot@example.org",
  "camelCase snake_case getHTTPResponse XMLHttpRequest c++ C# F# .NET node.js C++17",
  "-> !! :) 🎉 👩‍💻 🇩🇪 €100 ½ ﬁn ＦＵＬＬ e-mail O'Brien don't it's",
  "łódź ørsted straße ærø œuvre ıstanbul đường Tiếng Việt ё й"
]

/** Anything that a memory may hold: pieces of languages, of code, and whatever Unicode has. */
const piece = fc.oneof(
  fc.constantFrom(...WORDS.flatMap((text) => text.split(" "))),
  fc.constantFrom(...WORDS),
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ unit: fc.constantFrom(..."aB9'’-+#._:/é東ひカ한ก🎉\u200d\u0301\u00ad@"), maxLength: 12 })
)
const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(" "))

const BLANKS = /\p{White_Space}+/u
const NOBODY_SEES = /^[\p{Default_Ignorable_Code_Point}\p{Cc}\p{M}]*$/u
const runsOf = (text: string) => text.split(BLANKS).filter((run) => !NOBODY_SEES.test(run))

const someLanguages = fc.subarray(Array.from(Analyzer.languages))

describe("what is stored is found", () => {
  it("by an exact copy of any run of it, whatever languages are held besides", () => {
    fc.assert(
      fc.property(text, text, fc.array(piece, { maxLength: 3 }), someLanguages, (title, content, tags, others) => {
        const held = index({ title, content, tags })
        const languages = new Set([...held.languages, ...others])
        for (const run of [title, content, ...tags].flatMap(runsOf)) {
          assert.isTrue(hasAll(held, run, languages), `all of ${JSON.stringify(run)} in ${JSON.stringify(held)}`)
          assert.isTrue(hasSome(held, run, languages), `some of ${JSON.stringify(run)} in ${JSON.stringify(held)}`)
        }
      }),
      { numRuns: 400 }
    )
  })

  it("in other case and without its marks", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 5 }), (texts) => {
        const held = index({ content: texts.join(" ") })
        for (const run of texts.flatMap(runsOf)) {
          const bare = run.normalize("NFD").replace(/(?<![иИ])[\u0300-\u036f\u0591-\u05c7\u064b-\u0655]/gu, "")
            .normalize("NFC")
          for (const other of [run.toUpperCase(), run.toLowerCase(), bare, bare.toUpperCase()]) {
            assert.isTrue(hasAll(held, other, held.languages), `${other} for ${run} in ${held.content}`)
          }
        }
      }),
      { numRuns: 100 }
    )
  })

  it("cuts whatever it is given, into words without blanks", () => {
    fc.assert(fc.property(text, (content) => {
      const { content: words, dates } = index({ content })
      for (const word of [...words.split(" "), ...dates.split(" ")]) assert.notMatch(word, /\s/)
      if (runsOf(content).length > 0) assert.notStrictEqual(words.trim(), "")
    }))
  })
})

describe("a stem", () => {
  it("has no ending left, however many a word has", () => {
    const stem = (content: string, language: Analyzer.Language) => index({ content, language }).content
    for (
      const [language, ...forms] of [
        ["en", "deploy", "deploying", "deployment", "deployments"],
        ["tr", "kilim", "kilimler", "kilimleri"],
        ["tr", "mağaza", "mağazaya", "mağazalar"]
      ] as const
    ) {
      assert.lengthOf(
        new Set(forms.map((form) => stem(form, language))),
        1,
        forms.map((form) => stem(form, language)).join()
      )
    }
  })
})

describe("the language of a namespace", () => {
  const NORD = new Map([["team/nord", "de"], ["team/nord/bretagne", "fr"]] as const)

  it("is that of the nearest one on the way up", () => {
    const asked = ["team/nord", "team/nord/a/b", "team/nord/bretagne/x", "team", "team/nordic", "nord", ""]
    assert.deepStrictEqual(asked.map((namespace) => languageIn(NORD, namespace)), [
      "de",
      "de",
      "fr",
      undefined,
      undefined,
      undefined,
      undefined
    ])
  })

  it("goes before the guess, in what is indexed and in what is asked, for its script alone", () => {
    const words = (language?: "de" | "en") => index({ content: "Häuser the of школы", language })
    assert.strictEqual(words().content, "hauser the of школ")
    assert.strictEqual(words("de").content, "haus the of школ")
    assert.includeMembers(Array.from(words("de").languages), ["de", "ru"])
    assert.strictEqual(words("en").content, words().content)
    const stops = (language?: "de") =>
      Analyzer.asked("die Katze the", { languages: Analyzer.languages, nowMillis: 0, language }).runs.filter((
        { isStop }
      ) => isStop)
        .map(({ text }) => text)
    assert.deepStrictEqual(stops(), ["the"])
    assert.deepStrictEqual(stops("de"), ["die"])
  })
})

describe("words", () => {
  const found: ReadonlyArray<readonly [text: string, question: string]> = [
    ["localhost:9077", "9077"],
    ["localhost:9077", "localhost"],
    ["std::vector", "vector"],
    ["at 10:00", "10"],
    ["index.js:12:7", "index.js"],
    ["index.js:12:7", "12:7"],
    ["https://example.org/docs/install?lang=en", "example.org"],
    ["https://example.org/docs/install?lang=en", "docs/install"],
    ["2026-05-03T10:00:00Z", "2026-05-03"],
    ["anna+bot@example.org", "anna"],
    ["anna+bot@example.org", "bot@example.org"],
    ["getUserName", "user"],
    ["getUserName", "getusername"],
    ["getUserName", "user name"],
    ["get_user_name", "getUserName"],
    ["get_user_name", "user_name"],
    ["XMLHttpRequest", "http"],
    ["in c++ and c#", "C++"],
    ["C++17", "c++"],
    ["e-mail", "email"],
    ["email", "e-mail"],
    ["O'Brien", "obrien"],
    ["John's car", "John"],
    ["John", "john's"],
    ["l'équipe", "equipe"],
    ["a 🎉 party👩‍💻", "👩‍💻"],
    ["a 🎉 party👩‍💻", "party"],
    ["x -> y", "->"],
    ["near or not", "near"],
    ["near or not", "not"],
    ["near or not", "or"],
    ["deploying", "deploy"],
    ["deploy", "deployed"],
    ["東京都庁で会議があります", "会議"],
    ["東京都庁で会議があります", "東京"],
    ["東京", "京"],
    ["数据库密码在保险柜里", "密码"],
    ["数据库密码在保险柜里", "保险柜 密码"],
    ["รหัสผ่านของฐานข้อมูล", "ฐานข้อมูล"],
    ["서울에서 배포했다", "서울"],
    ["서울에서 배포했다", "배포하는"],
    ["Đường phố", "duong pho"],
    ["łódź", "lodz"],
    ["Straße", "strasse"],
    ["rød grød", "rod grod"],
    ["ΟΔΟΣ", "οδός"],
    ["أحمد", "احمد"],
    ["مُحَمَّد", "محمد"],
    ["שָׁלוֹם", "שלום"],
    ["ＦＵＬＬ ﬁne", "full fine"],
    ["soft\u00adhyphen", "softhyphen"],
    ["٢٠٢٦", "2026"],
    ["школы", "школами"],
    ["ёлка", "елка"]
  ]
  it.each(found)("of %j are found by %j", (text, question) => {
    const held = index({ content: text })
    assert.isTrue(hasAll(held, question, new Set<Analyzer.Language>(["en", ...held.languages])), held.content)
  })

  const missed: ReadonlyArray<readonly [text: string, question: string]> = [
    ["c", "c++"],
    ["京", "東京"],
    ["vector std", "std::vector"],
    ["й", "и"],
    ["だいがく", "たいかく"],
    ["localhost 9077 9078", "localhost:9078"]
  ]
  it.each(missed)("of %j are not found whole by %j", (text, question) => {
    assert.isFalse(hasAll(index({ content: text }), question))
  })

  it("are asked for once, however often and in whatever case they are said", () => {
    assert.deepStrictEqual(ask("plan b Plan B plán").runs.map(({ text }) => text), ["plan", "b"])
    assert.lengthOf(ask("a ".repeat(2000)).runs, 1)
  })

  it("have a bound, which hides no part of a long run", () => {
    const long = `${"x".repeat(10_000)} ${Array.from({ length: 500 }, (_, part) => `p${part}`).join(".")}`
    const held = index({ content: long })
    assert.isTrue(hasAll(held, long))
    assert.isTrue(hasAll(held, "p499"))
    assert.isBelow(Math.max(...held.content.split(" ").map((word) => word.length)), 65)
    assert.isAtMost(ask("a.".repeat(10_000)).runs[0]?.terms.length ?? 0, 32)
  })
})

describe("a long text", () => {
  it.each(["a ", "1 ", "1/", "May 3 ", "2026 ", "2026-05-", "a-", "漢", "last week "])(
    "of %j is cut in bounded time",
    (piece) => {
      const text = piece.repeat(Math.ceil(65_536 / piece.length))
      const started = performance.now()
      index({ content: text })
      ask(text.slice(0, 16_384))
      // Generous: what grows with the square of the text takes minutes.
      assert.isBelow(performance.now() - started, 5_000)
    }
  )
})

describe("stop words", () => {
  const asksFor = (question: string) =>
    ask(question).runs.flatMap(({ terms }) => terms.filter(({ isStop }) => !isStop).map(({ text }) => text))

  it("are left out of a question, in its language", () => {
    assert.deepStrictEqual(asksFor("What is the password of the database?"), ["password", "database"])
    assert.deepStrictEqual(asksFor("Wo ist das Passwort für die Datenbank?"), ["passwort", "datenbank"])
    assert.deepStrictEqual(asksFor("где у нас пароль от базы"), ["пароль", "базы"])
  })

  it("are asked for when there is nothing else", () => {
    assert.deepStrictEqual(asksFor("to be or not to be"), ["to", "be", "or", "not"])
  })

  it("that say a time do not count beside other words", () => {
    assert.deepStrictEqual(asksFor("what did we deploy last week"), ["deploy"])
    assert.deepStrictEqual(asksFor("what happened in May"), ["happened", "may"])
    assert.deepStrictEqual(asksFor("what did we do yesterday"), ["yesterday"])
  })
})

describe("dates", () => {
  const made = index({ content: "a note", created_at: "2026-05-12T09:00:00.000Z" })
  it.each([
    "what happened in May",
    "what happened on Tuesday",
    "notes of 12 May",
    "May 12th, 2026",
    "2026-05-12",
    "was war gestern",
    "qu'est-ce qui s'est passé mardi",
    "что было во вторник",
    "什么时候 星期二",
    "昨天",
    "12.05.2026",
    "12/05/2026",
    "5/12/2026",
    "this week",
    "this month",
    "1 day ago"
  ])("of a memory that was made then: %s", (question) => {
    assert.isTrue(isOfTime(made, question), JSON.stringify(ask(question).dates))
  })

  it.each([
    "what happened in June",
    "on Wednesday",
    "13 May",
    "May 2025",
    "last month",
    "last year",
    "you may ask",
    "a note"
  ])("of another time: %s", (question) => {
    assert.isFalse(isOfTime(made, question), JSON.stringify(ask(question).dates))
  })

  it("are found in a text", () => {
    const held = index({ content: "The audit is on 3 June 2027, then again in march; el 5 de mayo, 2027年8月9日" })
    for (const question of ["3 June", "June 2027", "2027-06-03", "March", "5 de mayo", "August 2027", "2027年8月9日"]) {
      assert.isTrue(isOfTime(held, `when was it? ${question}`), `${question}: ${held.dates}`)
    }
    for (const question of ["4 June", "in October"]) assert.isFalse(isOfTime(held, question), held.dates)
  })

  it.each(["周三", "每周三下午三点开会", "上週三", "礼拜三", "禮拜三", "星期三", "水曜日"])(
    "of a weekday by each of its names: %s",
    (content) => {
      const held = index({ content, created_at: "" })
      assert.isTrue(isOfTime(held, "what was on Wednesday"), held.dates)
      assert.isTrue(isOfTime(held, "星期三"), held.dates)
      assert.isFalse(isOfTime(held, "周日"), held.dates)
    }
  )

  it.each(["一周三次健身", "每两周一次备份", "一周天气", "上周日志"])("and in no count of weeks: %s", (content) => {
    assert.strictEqual(index({ content, created_at: "" }).dates, "")
  })

  it("of a Sunday, which has two names", () => {
    assert.isTrue(isOfTime(index({ content: "礼拜天", created_at: "" }), "周日"))
  })

  it("are not read into words that mean something else", () => {
    assert.strictEqual(index({ content: "you may march and be august", created_at: "" }).dates, "@m08")
  })
})

describe("languages", () => {
  const languagesOf = (content: string) => index({ content }).languages
  it("are guessed by script and stop words, English where nothing tells", () => {
    assert.deepStrictEqual(languagesOf("backup server 17"), ["en"])
    assert.deepStrictEqual(languagesOf("the server of the team is down"), ["en"])
    assert.deepStrictEqual(languagesOf("der Server ist nicht erreichbar und die Leitung auch nicht"), ["de"])
    assert.deepStrictEqual(languagesOf("el servidor no responde porque la red está caída"), ["es"])
    assert.deepStrictEqual(languagesOf("сервер не отвечает и мы не знаем что делать"), ["ru"])
    assert.deepStrictEqual(languagesOf("Ο διακομιστής"), ["el"])
    assert.deepStrictEqual(languagesOf("数据库"), [])
  })
})
