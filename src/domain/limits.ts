/*
 * Every bound of the contract. What the contract shows and what the rules and the verbs check are these, each written down
 * here alone. A bound in bytes counts UTF-8, one in characters code points.
 */

/* The fields of a memory. */

export const MAX_TITLE_CHARS = 512
export const MAX_NAMESPACE_CHARS = 512
export const MAX_NAMESPACE_LEVELS = 8
/** Revoked keys that a node knows at most, and the words of one. */
export const MAX_REVOCATIONS = 1_000
export const MAX_VOUCHED = 1_000
export const MAX_VOUCHER_CHARS = 16 * 1024
export const MAX_REVOCATION_CHARS = 64 * 1024

/** Title and namespace with the white space around them: a row must always fit into one message to a peer. */
export const MAX_PADDED_BYTES = 8_192
export const MAX_CONTENT_BYTES = 65_536
export const MAX_TAGS = 50
export const MAX_TAG_BYTES = 128
export const MIN_PRIORITY = 1
export const MAX_PRIORITY = 10
/** Of the JSON text. */
export const MAX_METADATA_BYTES = 65_536
/** Objects and arrays within each other, the metadata object itself included. */
export const MAX_METADATA_DEPTH = 32
export const MAX_TTL_SECONDS = 31_536_000
/** Counting goes no further: larger numbers from elsewhere are cut to it. */
export const MAX_ACCESS_COUNT = 1_000_000

/* Ids and names. */

/** Of the id of a memory, and of that of an agent, whose characters are of one byte each. */
export const MAX_ID_BYTES = 128
export const MAX_AGENT_TYPE_CHARS = 64
/** Names of one entity, which are its tags. */
export const MAX_ALIASES = MAX_TAGS
/** Of a name that an entity is looked for by. */
export const MAX_ALIAS_BYTES = 8_192
export const MAX_IDEMPOTENCY_KEY_CHARS = 255

/* Requests. */

/** Of any body. */
export const MAX_BODY_BYTES = 2 * 1024 * 1024
/** Levels of nested JSON: as deep as the original's parser goes. */
export const MAX_JSON_DEPTH = 128
/** Fields of one object in a body: metadata that is not too large has fewer. */
export const MAX_JSON_FIELDS = 11_000
/** Of any list in a body but those within metadata and payloads: counted before anything of it is looked at. */
export const MAX_BODY_ITEMS = 1000
/** How old a signature may be, and how far its clock ahead. */
export const MAX_SIGNATURE_AGE_SECONDS = 300
export const MAX_SIGNATURE_AHEAD_SECONDS = 60
/** How far from now an author may have signed a memory, before or after. */
export const MAX_SIGNED_WRITE_AGE_SECONDS = 300
/** Rows of any list that can be passed over. */
export const MAX_OFFSET = 1_000_000_000

/* Many memories in one request. */

export const MAX_BULK = 1000
/** Archived ones included; and as many links. */
export const MAX_IMPORTED = 1000
/** Things that are wrong with the rows of one request, as told; how many more there are is told in a word. */
export const MAX_ERRORS = 100
export const MAX_ARCHIVED = 1000
/** Memories that one takes the place of. */
export const MIN_CONSOLIDATED = 2
export const MAX_CONSOLIDATED = 100
/** Of the words that say what to forget. */
export const MAX_PATTERN_BYTES = 4096

/* Finding memories. */

/** Of the rows of a page, and one row more: those after them are in the next. */
export const MAX_PAGE_BYTES = 4 * 1024 * 1024
export const MAX_LISTED = 1000
export const DEFAULT_LISTED = 20
export const MAX_FOUND = 1000
export const DEFAULT_FOUND = 20
/** Of the words of a search. */
export const MAX_QUERY_BYTES = 4096
/** More than these are never given, whatever the limit says. */
export const MAX_RECALLED = 50
export const DEFAULT_RECALLED = 10
/** Of the context of a recall. */
export const MAX_CONTEXT_BYTES = 65_536
export const MAX_BUDGET_TOKENS = 1_000_000_000
export const MAX_SESSION_MEMORIES = 50
export const DEFAULT_SESSION_MEMORIES = 10
/** How alike two memories must be to say the same. */
export const MIN_DUPLICATE_THRESHOLD = 0.5
export const DEFAULT_DUPLICATE_THRESHOLD = 0.85
/** Memories that are looked at for contradictions. */
export const MAX_COMPARED = 1000
export const DEFAULT_COMPARED = 50
/** Links between memories that contradict each other. */
export const MAX_CONTRADICTIONS = 1000
/** Memories that may contradict one that is stored, in the answer to it. */
export const MAX_POTENTIAL = 5
export const MAX_CONFLICTS = 1000
export const DEFAULT_CONFLICTS = 50

/* The archive. */

/** Of the text that says why a memory was archived. */
export const MAX_ARCHIVE_REASON_BYTES = 512
export const MAX_ARCHIVE_LISTED = 1000
export const DEFAULT_ARCHIVE_LISTED = 50
/** A hundred years. */
export const MAX_PURGE_DAYS = 36_500

/* Links and what follows from them. */

export const MAX_LINKS = 1000
export const DEFAULT_LINKS = 1000
/** Links in a row that are followed. */
export const MAX_WALK_DEPTH = 5
export const DEFAULT_WALK_DEPTH = 1
/** Links that are followed at all. */
export const MAX_WALKED = 1000
export const DEFAULT_WALKED = 200
/** Agents whose links alone are followed. */
export const MAX_ALLOWED_AGENTS = 256
export const MAX_TIMELINE_EVENTS = 1000
export const DEFAULT_TIMELINE_EVENTS = 200
export const MAX_TAXONOMY_LEVELS = MAX_NAMESPACE_LEVELS
export const MAX_TAXONOMY_NODES = 10_000
export const DEFAULT_TAXONOMY_NODES = 1000

/* Agents, and what waits for them. */

export const MAX_AGENTS = 1000
export const MAX_MESSAGES = 500
export const DEFAULT_MESSAGES = 50
export const MAX_PENDING = 1000
export const DEFAULT_PENDING = 100
/** Votes on one action. */
export const MAX_APPROVALS = 1000

/* What is taken back. */

export const MAX_PROVENANCE = 1000
export const DEFAULT_PROVENANCE = 100
export const MAX_CURSOR_CHARS = 64

/* Following a node. */

export const MAX_CHANGES = 1000
export const DEFAULT_CHANGES = 100
/** How long a request waits for a change. */
export const MAX_CHANGES_WAIT_SECONDS = 55
/** Of what says up to where somebody has heard: it names every run of a node that ever wrote, some 350 of them. */
export const MAX_CHANGES_CURSOR_CHARS = 24_576

/** Subscriptions of one agent, and all of them. */
export const MAX_SUBSCRIPTIONS_OF_AGENT = 32
export const MAX_SUBSCRIPTIONS = 256
export const MAX_WEBHOOK_URL_CHARS = 2048
export const MAX_WEBHOOK_SECRET_BYTES = 256
/** Events of one subscription that its receiver did not take: with so many of them it waits, and none is lost. */
export const MAX_WEBHOOK_DEAD_LETTERS = 1000

/* Peers. */

export const MAX_DEAD_LETTERS = 1000
export const DEFAULT_DEAD_LETTERS = 100
/** Rows of a page in the original's form. */
export const MAX_SINCE_ROWS = 10_000
export const DEFAULT_SINCE_ROWS = 500
/** Items of one list in a push, as in the original. */
export const MAX_LIST_ITEMS = 1000
export const MAX_ORIGIN_CHARS = 256
/** Of the longest id or namespace, in UTF-16 units. */
export const MAX_ENTITY_CHARS = 1_024
/** Memories whose vectors one node asks of another at once. */
export const MAX_VECTORS_ASKED = 256
/** Of the name of what makes vectors. */
export const MAX_EMBEDDER_CHARS = 512
/** Numbers in a vector: more than any model has. */
export const MAX_DIMENSIONS = 8192
/** Versions that one operation ends at most, so that it fits into a push; a write that has to end more is refused. */
export const MAX_COVERS = 4096
/** The same for an operation of format 1, of which peers of version 0.2.0 refuse one with more. */
export const MAX_COVERS_FORMAT_1 = 256
/** Names that one operation had before, of those that it still tells. They stand among its covers. */
export const MAX_FORMER_NAMES = 64
/** Covers that are taken: whatever a write may end, it can be written again under another name. */
export const MAX_COVERS_TAKEN = MAX_COVERS + MAX_FORMER_NAMES
/** Operations about one thing that a client's key stands for. */
export const MAX_TURNS = 1_000_000
/** Sums of what a node holds, so that two nodes find where they differ without sending every row. */
export const DIGEST_BUCKETS = 1024
