/** Requests that try to get in by tricks: of the handshake, of headers and of paths. */
import { canary } from "./Payload.ts"
import type { Random } from "./Random.ts"

export interface Handshake {
  readonly name: string
  readonly bytes: Buffer
}

interface Parts {
  method: string
  target: string
  version: string
  headers: Array<readonly [name: string, value: string]>
  body: string
  end: string
}

type Trick = readonly [name: string, play: (parts: Parts, random: Random) => void]

const set = (parts: Parts, name: string, value: string) => {
  parts.headers = [...parts.headers.filter(([other]) => other.toLowerCase() !== name.toLowerCase()), [name, value]]
}

const segments = [
  "",
  ".",
  "..",
  "%2e%2e",
  "%2E%2E%2fquiet",
  "a%2Fb",
  "a%5Cb",
  "a\\b",
  "a/b",
  "//quiet",
  "%00",
  "quiet%00",
  "%",
  "%2",
  "%zz",
  "%C0%AF",
  "%ff",
  "%F0%9F%92%A4",
  "q%75iet2",
  "__proto__",
  "constructor",
  "a".repeat(128),
  "a".repeat(129),
  "a".repeat(8_000),
  "quiet;x=1",
  "quiet%20",
  "%E2%80%AE",
  "~.-_",
  "a%0d%0aX:%20y",
  canary + "%20"
]

// A request of another one's body: it must never be one of its own.
const smuggled =
  `GET /rooms/quiet?name=${canary} HTTP/1.1\r\nHost: fuzz\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// What a header may not be, or not in this place.
const headers: Readonly<Record<string, ReadonlyArray<string>>> = {
  "Sec-WebSocket-Version": ["", "0", "8", "12", "14", "255", "256", "-13", "13, 8", "13a", "\u00b9\u00b3"],
  "Sec-WebSocket-Key": ["", "x", "=".repeat(24), "a".repeat(10_000), "dGhlIHNhbXBsZSBub25jZQ== "],
  "Sec-WebSocket-Protocol": [
    "",
    ",",
    "ndjson,,",
    "bearer",
    `bearer, ${canary}`,
    "ndjson; q=1",
    "\"ndjson\"",
    "p,".repeat(500)
  ],
  "Sec-WebSocket-Extensions": [
    "permessage-deflate; client_max_window_bits=99",
    "permessage-deflate; server_max_window_bits=",
    "x; y=\"z",
    ";;;,,,",
    "permessage-deflate, ".repeat(200),
    "permessage-deflate; server_no_context_takeover; server_no_context_takeover"
  ],
  Upgrade: ["h2c", "websocket, h2c", "WebSocket", "webSocket/13", "", "TLS/1.0"],
  Connection: ["keep-alive", "close", "upgrade, close", "Upgrade, Sec-WebSocket-Key", ""],
  Host: ["", "evil.example", "fuzz:0", "a b", "[::1]", "localhost\0", "fuzz@evil.example", "x".repeat(5_000)],
  Authorization: ["Bearer", `Bearer ${canary}`, "Bearer ..", "Basic eDp5", `Bearer ${"a.".repeat(3_000)}`],
  Origin: ["null", "", "http://evil.example", "file:///", "http://fuzz, http://fuzz", "http://fuzz\0", canary]
}

const tricks: ReadonlyArray<Trick> = [
  ...Object.entries(headers).map(([name, values]): Trick => [
    `the header ${name}`,
    (parts, random) => set(parts, name, random.pick(values))
  ]),
  ["a missing header", (parts, random) => {
    const missing = random.pick(parts.headers)
    parts.headers = parts.headers.filter((header) => header !== missing)
  }],
  ["a token", (parts, random) => (parts.target += `?token=${random.pick([canary, "..", "%00", "a".repeat(9_000)])}`)],
  [
    "a header twice",
    (parts, random) =>
      parts.headers.push([
        random.pick([
          "Host",
          "Sec-WebSocket-Key",
          "Sec-WebSocket-Version",
          "Upgrade",
          "Connection",
          "Sec-WebSocket-Protocol",
          "Content-Length",
          "Origin",
          "CF-Connecting-IP",
          "Authorization"
        ]),
        random.pick(["1", "ndjson", "http://evil.example", "websocket", canary])
      ])
  ],
  [
    "a huge header",
    (parts, random) =>
      set(
        parts,
        random.pick(["Cookie", "X-Fuzz", "Origin", "Sec-WebSocket-Protocol", "User-Agent"]),
        "x".repeat(random.pick([4_000, 8_190, 16_384, 70_000]))
      )
  ],
  ["many headers", (parts, random) => {
    for (let index = random.pick([50, 200, 2_000]); index > 0; index--) parts.headers.push([`X-${index}`, "y"])
  }],
  [
    "a header's name",
    (parts, random) =>
      parts.headers.push([
        random.pick(["", " ", "X Y", "X\0", "X\t", "X:Y", "\u00fc", "__proto__", "constructor", "()<>@"]),
        "z"
      ])
  ],
  [
    "a header's value",
    (parts, random) =>
      set(
        parts,
        random.pick([
          "X-Fuzz",
          "Origin",
          "Cookie",
          "Sec-WebSocket-Protocol",
          "CF-Connecting-IP",
          "X-Forwarded-For",
          "CF-Worker"
        ]),
        random.pick([
          "\0",
          "a\0b",
          "\u0001\u007f",
          "\u00ff\u00fe",
          "a\rb",
          "a\nb: c",
          " folded\r\n x",
          "null",
          "file:///",
          "%0d%0a"
        ])
      )
  ],
  [
    "claims",
    (parts, random) =>
      parts.headers.push([
        random.pick(["x-dormouse-user", "CF-Ray", "X-Real-IP", "Forwarded"]),
        random.pick(["admin", "{\"__proto__\":{\"user\":\"admin\"}}", "{\"dormouse\":{\"user\":\"admin\"}}", canary])
      ])
  ],
  [
    "a room's name",
    (
      parts,
      random
    ) => (parts.target = `${random.pick(["/rooms/", "/parties/main/", "/Rooms/", "/rooms"])}${random.pick(segments)}`)
  ],
  [
    "a query",
    (
      parts,
      random
    ) => (parts.target += random.pick([
      "?",
      "?name=",
      `?name=${"x".repeat(65)}`,
      "?name=%00",
      "?name=%FF",
      "?name=a&name=b",
      "?__proto__[x]=1",
      `?${"a=b&".repeat(5_000)}`,
      "?name=%0d%0aSet-Cookie:%20x"
    ]))
  ],
  [
    "another path",
    (
      parts,
      random
    ) => (parts.target = random.pick([
      "/",
      "/health",
      "/openapi.json",
      "/api/",
      "/api/rooms",
      "/api/rooms/quiet/connections",
      "/../../../../etc/passwd",
      "/%2e%2e/%2e%2e/etc/passwd",
      "/rooms/../health",
      "/.env",
      "*",
      "?",
      "#",
      "/cdn-cgi/trace",
      "/cdn-cgi/mf/scheduled",
      "/rooms/quiet/../../x"
    ]))
  ],
  [
    "an absolute target",
    (
      parts,
      random
    ) => (parts.target = random.pick([
      "http://evil.example/rooms/open",
      "https://fuzz/rooms/open",
      "ws://fuzz/rooms/open",
      "http://user:pass@fuzz/rooms/open",
      "http://[::1/rooms/open",
      "evil.example:443",
      "//evil.example/rooms/open",
      "javascript:alert(1)"
    ]))
  ],
  [
    "raw bytes in a target",
    (parts, random) => (parts.target += random.pick(["\0", "\u00ff", " HTTP/1.1", "\t", "\u007f", "<>\"{}|^`"]))
  ],
  ["a long target", (parts, random) => (parts.target += "/".repeat(random.pick([2_000, 9_000, 70_000])))],
  [
    // Without CONNECT: workerd takes that for a tunnel, and it reaches no `fetch`.
    "another method",
    (
      parts,
      random
    ) => (parts.method = random.pick([
      "POST",
      "HEAD",
      "PUT",
      "DELETE",
      "OPTIONS",
      "TRACE",
      "PATCH",
      "get",
      "PRI",
      "",
      "G\0T",
      "M".repeat(5_000)
    ]))
  ],
  [
    "another protocol",
    (
      parts,
      random
    ) => (parts.version = random.pick([
      "HTTP/1.0",
      "HTTP/2.0",
      "HTTP/0.9",
      "HTTP/1.1 ",
      "http/1.1",
      "HTTP/9.9",
      "",
      "ICY"
    ]))
  ],
  ["ends of lines", (parts, random) => (parts.end = random.pick(["\n", "\r", "\n\r"]))]
]

// With a body: where it is upgraded after all, the body is a broken frame.
const bodies: ReadonlyArray<Trick> = [
  ["a body with a request in it", (parts) => {
    parts.method = "POST"
    set(parts, "Content-Length", String(smuggled.length))
    parts.body = smuggled
  }],
  ["two lengths", (parts, random) => {
    parts.method = "POST"
    parts.headers.push(["Content-Length", "4"], [
      "Content-Length",
      random.pick(["5", "0", "+4", "4, 4", "-1", "18446744073709551617"])
    ])
    parts.body = "abcd"
  }],
  ["a length and chunks", (parts, random) => {
    parts.method = "POST"
    parts.headers.push(["Content-Length", "4"], [
      "Transfer-Encoding",
      random.pick(["chunked", "Chunked", " chunked", "xchunked", "chunked, identity", "\tchunked"])
    ])
    parts.body = "1\r\nZ\r\nQ"
  }],
  ["broken chunks", (parts, random) => {
    parts.method = "POST"
    parts.headers.push(["Transfer-Encoding", "chunked"])
    parts.body = random.pick([
      "-1\r\nx\r\n",
      "ffffffffffffffff\r\nx",
      "5\r\nab",
      "0x5\r\nabcde\r\n0\r\n\r\n",
      "1;a=\0\r\nx\r\n0\r\n\r\n",
      "\r\n"
    ])
  }]
]

/** A request with one to three tricks, or bytes that are none. It may have a body if it may break the WebSocket protocol. */
export const make = (random: Random, room: string, mayBreak: boolean): Handshake => {
  if (random.chance(0.03)) return { name: "bytes that are no request", bytes: random.bytes(random.between(1, 2_000)) }
  const parts: Parts = {
    method: "GET",
    target: `/rooms/${room}`,
    version: "HTTP/1.1",
    headers: [
      ["Host", "fuzz"],
      ["Upgrade", "websocket"],
      ["Connection", "Upgrade"],
      ["Sec-WebSocket-Version", "13"],
      ["Sec-WebSocket-Key", random.bytes(16).toString("base64")]
    ],
    body: "",
    end: "\r\n"
  }
  const played = Array.from(
    { length: random.pick([1, 1, 1, 2, 3]) },
    () => random.pick(mayBreak && random.chance(0.3) ? bodies : tricks)
  )
  for (const [, play] of played) play(parts, random)
  const { body, end, headers, method, target, version } = parts
  const head = [`${method} ${target} ${version}`, ...headers.map(([name, value]) => `${name}: ${value}`), "", ""]
  const bytes = Buffer.from(head.join(end) + body, "latin1")
  const isCut = random.chance(0.05)
  return {
    name: played.map(([name]) => name).join(", ") + (isCut ? ", cut off" : ""),
    bytes: isCut ? bytes.subarray(0, random.below(bytes.length)) : bytes
  }
}
