/** Every limit of the HTTP boundary in one place. Times in milliseconds, sizes in bytes unless the name says. */

import type { Rate } from './bucket.ts'

const KIB = 1024

/** Prompts and follow-up messages. */
export const MAX_PROMPT_BYTES = 2 * KIB * KIB
/** Descriptions and contents of attachments. */
export const MAX_TEXT_BYTES = 256 * KIB

/** Rules of tools and paths, of each list. */
export const MAX_RULES = 200
/** Characters of a glob. */
export const MAX_GLOB = 1024
/** Names of environment variables, of each list or map. */
export const MAX_ENV_NAMES = 100
export const MAX_MCP_SERVERS = 50
export const MAX_MCP_ARGS = 100
/** Answers to the questions of one interaction, and labels of one answer. */
export const MAX_ANSWERS = 100

export const MAX_JSON_DEPTH = 32
/** Members of all objects of one body together. */
export const MAX_JSON_KEYS = 1000
/** Items of all lists and objects of one body, as counted by the commas between them. */
export const MAX_JSON_ITEMS = 10_000
/** Field faults that one answer lists. */
export const MAX_FAULTS = 50

export const MAX_URL_BYTES = 8 * KIB
export const MAX_HEADER_BYTES = 16 * KIB
export const HEADERS_TIMEOUT_MS = 10_000
export const REQUEST_TIMEOUT_MS = 30_000
export const KEEP_ALIVE_MS = 5000

export const PAGE_SIZE_DEFAULT = 100
export const PAGE_SIZE_MAX = 1000
export const MESSAGES_DEFAULT = 100
export const MESSAGES_MAX = 1000
export const EVENTS_DEFAULT = 1000
export const EVENTS_MAX = 5000

export const MIN_RUN_TIMEOUT_MS = 60_000
export const MAX_RUN_TIMEOUT_MS = 24 * 3_600_000
export const MIN_INTERACTION_TIMEOUT_MS = 1000
export const MAX_INTERACTION_TIMEOUT_MS = 24 * 3_600_000

/** Limits of one WebSocket connection; tests shorten the times. */
export interface SocketLimits {
  /** Above this many unsent bytes nothing more is handed to the socket. */
  readonly bufferedBytes: number
  /** So long the reader may take nothing before the connection is closed with 1013. */
  readonly stallMs: number
  readonly pingMs: number
  /** Pings without a pong before the connection is dropped. */
  readonly missedPings: number
  readonly subscriptions: number
}

export const SOCKET_LIMITS: SocketLimits = {
  bufferedBytes: 256 * KIB,
  stallMs: 60_000,
  pingMs: 20_000,
  missedPings: 2,
  subscriptions: 100,
}

/** A caller may send the requests of this many seconds at once. */
export const RATE_BURST_SECONDS = 2
/** Addresses or principals whose rate is remembered; those seen longest ago are forgotten first. */
export const RATE_KEYS = 10_000
/** Messages of one WebSocket connection; a client that watches as much as it may sends 100 at its start. */
export const SOCKET_MESSAGE_RATE: Rate = { perSecond: 50, burst: 300 }

/** TCP connections, idle ones and streams included. More are dropped as they come. */
export const MAX_CONNECTIONS = 10_000

export const MAX_SOCKETS = 5000
export const MAX_SOCKET_MESSAGE_BYTES = 16 * KIB
/** How long clients have to answer the closing handshake when the server stops. */
export const SOCKET_FAREWELL_MS = 1000
