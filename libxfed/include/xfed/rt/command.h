/*
 * Commands: what an operator may ask of a daemon, whoever carries the question (the control socket; later a panel). They are
 * listed once, in xfed/rt/commands.def.
 *
 * Codes of a failed one: bad-request, unknown-command, not-authorised, not-found, failed, not-built, busy.
 *
 * ---- the contract: what the daemons answer as `result`, and xfedctl prints ----
 * Times: `since` and `not_after` are seconds since 1970 UTC; `..._s` seconds, `..._ms` milliseconds. A field marked ? is left
 * out where it does not apply. Reasons are codes of xfed/reason.h.
 *
 * status ""  {}
 *   {"name", "role": "edge"|"gateway", "version", "uptime_s", "pid",
 *    "state": "in-service"|"out-of-service"|"draining",
 *    "problems": [{"reason", "text", "since"}],                       what is wrong now, worst first
 *    "notes":    [as problems]?,                                      edge: works, and not as well as it could, or may be nothing; status stays 0
 *    "channel":  [{"peer", "up": bool, "since", "rtt_ms"?, "clock_ms"?: how far its clock is ahead of ours, "reason"?}],
 *    "streams":  {"in", "out"},
 *    "deliveries_in_flight",
 *    "policy":   {"epoch", "revision", "hash", "partners"}?,          absent on an edge that has none yet
 *    "edges":    [a status object as above]?,                         gateway: one for each edge, as last reported
 *    "sip":      [{"next_hop", "state": "asked"|"up"|"refuses"|"down", "since", "tried", "worked", "reason"?,
 *                  "refusals"?: {"status", "count", "first", "last", "text"?}}]?,  gateway. asked: it was, and has not answered yet; tried: last asked for anything; worked: last took a
 *                                                                  request; 0: never. Refusals of before `worked` are history
 *    "untrusted": [{"peer", "domain", "count", "first", "last", "remedy"}]?,   gateway: SIP peers that may not send, the last few
 *    "presence": {"watching", "watched", "contacts", "stale", "stale_by": [{"why", "count", "text"}]}?}   gateway: subscriptions; the contacts
 *                                          of which there is anything now, how many of them may be shown what is old, and why
 *
 * stream list  {"domain"?}
 *   {"streams": [{"id", "local", "remote", "direction": "in"|"out", "state", "tls"?, "cipher"?,
 *                 "method"?: "external"|"dialback-tls"|"dialback-plain", "peer_address", "age_s", "idle_s", "queued",
 *                 "certificate"?: {"subject", "issuer", "not_after", "sha256"}, "edge"?}]}
 *
 * stream show   {"id"}      a stream as in stream list, with "stanzas_in", "stanzas_out", "paused": bool, and inside TLS "certificate" in
 *   full (as in a failure's chain) and "certificate_problem"?, the reason why it does not prove the partner;
 *   "peer_stanza_size"?, what the partner takes (XEP-0478); "stream_management"?: {"sent" or "received", "acknowledged"}
 * stream close  {"id"}      {"id", "local", "remote", "reason", "edge"?}     admin
 *   id is a string: "7", or "edge1/7" as numbers are an edge's own; a gateway with several edges takes the second form only.
 *
 * partner list  {}          {"partners": [PARTNER]}
 * partner show  {"domain"}  PARTNER, with "streams": [as in stream list], and "presence"?: {KEY: WORD}, what its own file says there
 *   PARTNER = {"domain", "enabled": bool, "description"?, "additional_domains": [..], "partner_type", "tls", "sasl", "dialback": bool,
 *              "connect_to"?, "keepalive": bool, "limits": {"connections", "stanzas_per_second", "stanza_size"},
 *              "kinds": [..], "refused"?: true where its file is broken, "dane", "trust": {"ca": bool, "pins": [..]},
 *              "matrix": {"row", "methods": ["external", ..], "problem"?}}
 *   rt_control_partner() builds it from a struct xfed_partner.
 * partner check {"domain", "local"?, "edge"?}     gateway; takes up to 25 s. local: which of our domains; edge: by name
 *   {"domain", "ok": bool, "steps": [STEP], "local"?, "edge"?, "took_ms"?, "endpoints"?: [{"target", "address", "reachable": bool,
 *    "reason"?}], "tls"?, "cipher"?, "certificate"?, "offers"?: {"external": bool, "dialback": bool},
 *    "methods"?: [{"method", "allowed": bool, "works"?: bool, "reason"?}], "inbound"?: bool}
 *   STEP = {"step", "state": "ok"|"note"|"problem", "text", "reason"?, "side"?, "remedy"?}; ok is false where one is a problem.
 *   Steps in their order: policy, next-hop, own-certificate, dns, tcp, tls, certificate, offers, method, way-back, reverse-dns, reverse; each may
 *   come several times, or not at all behind a problem.
 * partner routes {"domain"?, "for": "lync"|"skype"|"kamailio"|"opensips"|"asterisk"}     gateway; of one partner, or of all
 *   {"for", "host", "transport", "port", "certificate": {"subject", "issuer", "not_after", "names"} or null without tls, "domains": ours as SIP has
 *    them, "partners": theirs, "sections": [{"title", "lines": [TEXT]}]: to be pasted; comments begin with #, of asterisk with ;, "problems": [TEXT]}
 *
 * dns print     {"domain"?: one of ours}     gateway
 *   {"records": [{"name", "type": "SRV"|"A"|"AAAA"|"TLSA", "data", "why"}]: as in a zone file, "problems": [TEXT]}
 * dns check     {"domain"?, "edge"?, "server"?: "ADDRESS[:PORT]"}     gateway; takes up to 35 s
 *   {"ok": bool, "edge": that has asked, "server"?, "domains": [..], "steps": [STEP as of partner check]}
 *   Steps in their order: edges, srv, address, tlsa; each may come several times.
 *
 * firewall print {"for"?: "table"|"nftables"}
 *   {"name", "role", "for"?, "user": the service's user id, "instance": bool, it is one of several of this host, "rows": [{"direction": "in"|"out",
 *    "protocol": "tcp"|"udp", "own"?: address of ours, "networks": [of the other side; none: any], "peer": in words, "port", "why"}]}
 *
 * explain ""    {"from", "to", "kind"?: "message"|"presence"|"subscription"}     gateway: every gate between two addresses, "user@domain" or
 *   "sip:user@domain"
 *   {"from", "to", "direction"?: "to_sip"|"to_xmpp", "others": [JUDGED], and JUDGED of what "kind" names, of a message where it is absent}
 *   JUDGED = {"kind", "ok": bool, "closed"?: the first closed gate,
 *             "gates": [{"gate", "state": "ok"|"closed"|"skipped", "text", "reason"?, "side"?, "remedy"?}]}     in their order:
 *   addresses, direction, partner, kinds, access, contact, mapping, sender, next-hop, link, gateway, policy,
 *   edge, stream. presence: TO is shown that of FROM; subscription: FROM asks to see that of TO
 *
 * test im        {"to", "from"?, "wait"? (1 to 600)}     gateway, admin: sends a real message to a partner's user; each step is told in a line of
 *   its own as soon as it is known, {"part": STEP}
 *   {"kind": "im"|"presence", "from", "to", "ok": bool, "took_ms", "steps": [STEP], "gate"?: the closed one it failed at, "accepted": bool,
 *    "no_error": bool: none came within 10 s, "answered": bool, "approved"?: bool, "shown"?: bool (both of presence),
 *    "inbound": "proved"|"not-tested"}
 *   STEP = {"at_ms": since the beginning, "step", "state": "ok"|"note"|"problem", "text", "reason"?, "side"?, "remedy"?}; ok is false where one
 *   is a problem. sent; accepted or failed; gate; answered; no-error; of presence approved, refused, shown, waiting, taken-back too
 * test presence  as test im: asks to see a partner's user, and takes that back unless the sender saw the user, or had asked, before
 *   Busy: four tests are under way.
 *
 * contact list   {"user"?, "partner"?, "state"?, "limit"? (100), "after"?}     gateway: contacts, and requests that wait
 *   {"contacts": [CONTACT], "next"?, "filter"?}     a page of at most 500, perhaps not full: as "after" "next" gives the one behind it. not-found: the contact
 *   that a page ended with is gone. xfedctl puts the pages together, up to limit
 *   CONTACT = {"user", "contact", "state": a word of RFC 6121 such as "both" or "none+pending-in", "user_sees": "yes"|"asked"|"no",
 *              "contact_sees": as user_sees, "approved": bool, the user's consent by contact approve, "subscriptions": how many there are now,
 *              "asked"?: since when the contact waits for an answer, "used"?: when it was last of use}     times: seconds since 1970 UTC
 *   partner is one domain as it stands in addresses; state a word, or "waiting" or "asked": one of the two has asked and waits
 * contact show    {"user", "contact"}     CONTACT with "live": [SUBSCRIPTION], "written_to": bool, within a day, "added": bool, the user sees it, or
 *   has asked to, "wanted"?: when the user last did anything for it
 * contact approve {"user", "contact"}     CONTACT     admin. failed: users of that partner need no approval; not-found: no partner
 * contact remove  {"user", "contact"}     CONTACT as it was     admin
 * subscription list   {"user"?, "partner"?, "limit"? (100), "after"?}     {"subscriptions": [SUBSCRIPTION], "next"?}     as contact list
 *   SUBSCRIPTION = {"id", "watcher": "user"|"contact", "user", "contact", "state": "asked"|"pending"|"active"|"ending"|"terminated",
 *                   "expires_s"?, "devices": that the watcher is shown, "stale": bool, something may have been missed and is asked for}
 * subscription show   {"id"}     SUBSCRIPTION with "relation": CONTACT
 * subscription remove {"id"}     SUBSCRIPTION as it was     admin
 *
 * sip list       {"kind"?: "connection"|"session"|"transaction", "limit"? (100), "after"?}     gateway: what there is between it and SIP servers
 *   {"sip": [CONNECTION.., SESSION.., TRANSACTION..], "counts": {"connections", "sessions", "transactions"}, of all, "next"?, "filter"?}     pages as
 *   of contact list, but that they go on also where the last one is gone; in the order in which they began
 *   CONNECTION = {"kind", "id", "direction": "in"|"out", "transport": "TCP"|"TLS", "address", "state": "open"|"opening", "neighbour": bool, of
 *                 sip.federation, "trusted": bool, may send as one of our domains, or is ours, "idle_s", "names"?: [of its certificate]}
 *   SESSION = {"kind", "id", "user", "contact", "opened_by": "user"|"contact", "state": "inviting"|"held"|"open"|"ending", "under_way": messages
 *              without a final response, "idle_s", "call_id"?}
 *   TRANSACTION = {"kind", "id", "direction", "transport": also "UDP", "address", "state": "calling"|"trying"|"proceeding"|"completed"|
 *                  "accepted"|"confirmed", "method"?, "call_id"?}
 *
 * failures list  {"partner"?, "since"?, "limit"? (1 to 500, else 50), "before"?}     gateway
 *   {"failures": [FAILURE], "next"?}            newest first; "next" where the page is full: as "before" it gives the page behind
 * failures show  {"id"}     FAILURE, with "steps": [{"at_ms", "step", "ok": bool, "detail"?}], "facts": [{"name", "value"}],
 *   "chain": [{"subject", "issuer", "serial", "sha256", "not_before", "not_after", "eku": ["serverAuth"|"clientAuth"|..],
 *              "names": [..]}], "unreadable"?: true where the store is damaged.   Unknown id: not-found.
 *   Of peers that have proved nothing FAILURE has "proved": false, "network", "names": [claimed, the last first], and "past": true
 *   where the one claimed last has logged in since.
 *   FAILURE = {"id", "at", "last", "count", "edge"?, "direction": "in"|"out", "local", "remote", "reason", "side", "text"?,
 *              "correlation"?, "remedy"?}       at, last: seconds since 1970 UTC of the first and the last of `count` times; edge
 *              is absent for the gateway's own; remedy is absent for a reason of a newer edge. Steps count from the attempt's
 *              beginning and are those of the first time.
 * failures retry {"id"} or {"domain"}     {"pairs": [{"local", "remote", "state", "queued", "retry_in_ms"?, "last_reason"?, "edge"}]}     admin
 *   not-found: no such failure, or no edge remembers an attempt; failed: it was the partner's attempt.
 *
 * access list   {}          {"rules": [RULE]}             gateway; by what decides first: users, sites, all. None: everyone may
 * access show   {"name"}    RULE, with "granted_to": [..]           in any letters. Unknown: not-found
 *   RULE = {"name", "file", "scope": "user"|"site"|"global", "federation": bool, "xmpp": bool, "users"?: how many stand in granted_to,
 *           "granted_to_file"?, "users_in_file"?, "domains"?: [..], "broken"?: true: it cannot be loaded, and nobody it could be about may}
 *
 * What xfedctl itself answers when it changes a file (partner add, set, remove; access add, set, remove, grant, revoke; config set): the
 *   last answer of the gateway, as below, with "file", "changed": bool (false: it said so already), "saved": bool, "diff": lines with - and +
 *   behind "@@ line N", "notes": [TEXT], "command": to be typed for the same, "hash": of the file as it was, SHA-256, or "none" where there was
 *   none; or {"error": {"code", "text"}}
 * change carry   {"noun", "verb", "args", "login", "from", "dry-run"?, "expect"?: the "hash" that the editor saw}     gateway; for the panel alone, and
 *   carried out by `xfedctl panel writer`, which answers as above. Codes beside those of all commands: changed: the file has another hash by now,
 *   and nothing is saved; no-writer: it does not run, or is not the one it should be. admin
 *
 * change files   {}                            {"config": the path of gateway.yaml}           gateway; asked by xfedctl itself, like all of these
 * change check   {"command", "file", "with"?, "login"?, "from"?}  as config check, with `with` (a hidden file beside it) read in the place of `file`, which is one
 *   that a reload reads; without it as if there were none. `command` is what was typed, and `login` who
 *   logged in, where root's rights came later, or to the panel, and `from` which address then: for the audit line                                                admin
 *   Where all is fine also {"effects": [EFFECT]}, what it would do to partners and to what is live:
 *   EFFECT = {"what": "methods"|"kinds"|"limits"|"streams"|"contacts"|"subscriptions"|"sessions"|"unknown", "text", "domain"?, "count"?,
 *             "reason"?: of closed streams, "row"?, "methods"?: [..] as of a partner's matrix}; what does not change is left out
 * change begin   as change check, without effects; where all is fine also {"change"}, its number: others are refused (busy) until it is finished or
 *   dropped, or for 30 s                                                                                          admin
 * change finish  {"id", "command", "file", "login"?, "from"?}     as reload, when the file is in its place                            admin
 * change drop    {"id"}                        {}                                                                  admin
 *
 * change snapshot {"command", "login"?}          {"file", "bytes", "schema"}     gateway; asked by xfedctl itself, like the next two: a copy of the store beside it. Busy: one
 *   is being made                                                                                                admin
 * change forget   {"command", "login"?}          {}     that copy goes                                              admin
 * change take     {"command", "file": a hidden file beside the store, "login"?, "dry-run"?}                         admin
 *   {"file": where it waits, "schema", "made": when it was copied, "contacts", "failures"}     failed: it is no copy that can be used, and why
 *   What xfedctl answers to store backup: {"file", "bytes", "schema"}, to store restore as change take,
 *   and "unit": what systemctl calls that gateway.
 *
 * watched certificates  {}  {"certificates": [{"name", "owner": "us"|"channel"|"partner", "not_after"}], "domains": [..]}     asked by xfedctl itself
 *   those that are watched until they end, a partner's as it was shown last; domains: ours that partners reach us by, on an edge as pushed
 *
 * cert list      {}     {"certificates": [{"name", "owner": as above, "not_after", "days": that are left, "state": "ok"|"soon"|"ended", "edge"?: that
 *   has it or was shown it; the gateway itself where it is absent}], "silent": [EDGE] that did not answer, "more": how many there are besides}
 *   gateway; the one that ends first at the top. soon: within 14 days
 *
 * What xfedctl itself answers to cert request, import, channel-init, channel-join, channel-renew: {"ok": true, "done": [TEXT], "notes": [TEXT],
 *   "next": [TEXT]: what is to be done now}; or {"error": {"code", "text"}}. To cert show and check: {"ok": bool, "certificates": [{"service", "what":
 *   a key of its configuration, "file", "waits": bool: for the answer to a request, "subject"?, "issuer"?, "names"?, "not_after"?, "days"?, "problem"?}],
 *   "watched": [as in watched certificates, with "service"], "uncovered": [DOMAIN], "problems": [TEXT], "notes": [TEXT]}
 *
 * traffic list   {"limit"?: the last ones alone}     {"every_s": 10, "samples": [SAMPLE]}     gateway; the oldest first, of an hour at most
 *   SAMPLE = {"at": its end, "to_sip", "to_xmpp": messages, "presence_to_sip", "presence_to_xmpp", "refused": stanzas, "streams_in", "streams_out",
 *             "p50_ms"?, "p99_ms"?: of deliveries, absent where there were none}
 *
 * audit list     {"limit"? (100), "after"?}     {"audit": [ENTRY], "lost": left out for want of memory, "next"?}     newest first; pages as of contact list
 *   ENTRY = {"id", "at", "kind": "change"|"login", a failed one, "who": a login, or "uid 1000", "from": an address, or "control socket", "what": the
 *            command as typed, "result": "ok", or the code of a failed command or the reason of a failed login}
 *
 * config show   {}          {"text": "...YAML..."}                    rt_conf_print()
 * config check  {}          {"ok": bool, "errors": [TEXT], "warnings": [TEXT]}   the files as they are now; nothing is changed
 * reload ""     {}          {"ok": bool, "errors": [TEXT], "warnings": [TEXT], "needs_restart"?: [KEY], "revision"?}     admin
 *   TEXT as rt_conf_problem_print() makes it; rt_control_problems() fills both lists. A reload that fails answers
 *   "ok": true with result.ok false: the command worked, the files did not.
 * log level  {"level": "debug"|.., "domain"?}  {"level", "domain"?}  admin; with a domain: debug for it alone, or no more at another level
 */
#ifndef XFED_RT_COMMAND_H
#define XFED_RT_COMMAND_H

#include <jansson.h>

#include "xfed/base.h"
#include "xfed/buf.h"
#include "xfed/relation.h"

/* ---- the list ---- */

/*
 * The words of arguments that are one of a few, X(id, word, ...): the check, the help, the manual page and the text of an error are made of
 * these. FIRST is for the first, NEXT for the others.
 */
#define RT_LEVEL_WORDS(FIRST, NEXT) FIRST(ERROR, "error", ) NEXT(WARNING, "warning", ) NEXT(INFO, "info", ) NEXT(DEBUG, "debug", )
#define RT_KIND_WORDS(FIRST, NEXT)  FIRST(MESSAGE, "message", ) NEXT(PRESENCE, "presence", ) NEXT(SUBSCRIPTION, "subscription", )
#define RT_PRODUCT_WORDS(FIRST, NEXT)                                                                                                                \
	FIRST(LYNC, "lync", ) NEXT(SKYPE, "skype", ) NEXT(KAMAILIO, "kamailio", ) NEXT(OPENSIPS, "opensips", ) NEXT(ASTERISK, "asterisk", )
#define RT_FORM_WORDS(FIRST, NEXT) FIRST(TABLE, "table", ) NEXT(NFTABLES, "nftables", )
#define RT_SIP_WORDS(FIRST, NEXT)  FIRST(CONNECTION, "connection", ) NEXT(SESSION, "session", ) NEXT(TRANSACTION, "transaction", )
#define RT_ROLE_WORDS(FIRST, NEXT) FIRST(EDGE, "edge", ) NEXT(SIP, "sip", ) NEXT(PANEL, "panel", )
#define RT_KEY_KIND_WORDS(FIRST, NEXT)                                                                                                               \
	FIRST(P256, "ecdsa-p256", )                                                                                                                  \
	NEXT(P384, "ecdsa-p384", ) NEXT(RSA2048, "rsa-2048", ) NEXT(RSA3072, "rsa-3072", ) NEXT(RSA4096, "rsa-4096", ) NEXT(SAME, "same", )
#define RT_RELATION_WORDS(FIRST, NEXT) FIRST(WAITING, "waiting", ) NEXT(ASKED, "asked", ) XFED_RELATIONS(NEXT)

#define RT_PANEL_ACT_WORDS(FIRST, NEXT)	 FIRST(ADD, "add", ) NEXT(PASSWD, "passwd", ) NEXT(REMOVE, "remove", ) NEXT(LIST, "list", )
#define RT_PANEL_ROLE_WORDS(FIRST, NEXT) FIRST(ADMIN, "admin", ) NEXT(READER, "reader", )

#define RT_WORDS_FIRST(id, word, ...) word
#define RT_WORDS_NEXT(id, word, ...)  ", " word
#define RT_WORDS(list)		      list(RT_WORDS_FIRST, RT_WORDS_NEXT) /* a literal: "error, warning, info, debug" */

/* Kinds of arguments: name, JSON type, and the text for a word that does not fit. */
#define RT_ARG_KINDS(X)                                                                                                                              \
	X(DOMAIN, STRING, "a domain such as fabrikam.example")                                                                                       \
	X(ADDRESS, STRING, "an address, user@domain or sip:user@domain")                                                                             \
	X(STREAM, STRING, "the number of a stream as stream list shows it: 7, or edge1/7")                                                           \
	X(EDGE, STRING, "the name of an edge")                                                                                                       \
	X(SERVER, STRING, "the address of a DNS server, perhaps with its port")                                                                      \
	X(LEVEL, STRING, RT_WORDS(RT_LEVEL_WORDS))                                                                                                   \
	X(FAILURE, INTEGER, "the number of a failure, as failures list shows it")                                                                    \
	X(COUNT, INTEGER, "a number from 1")                                                                                                         \
	X(SUBSCRIPTION, INTEGER, "the number of a subscription, as subscription list shows it")                                                      \
	X(RELATION, STRING, RT_WORDS(RT_RELATION_WORDS))                                                                                             \
	X(CURSOR, STRING, "where a list ended, as it says itself")                                                                                   \
	X(SECONDS, INTEGER, "seconds, from 1 to 600")                                                                                                \
	X(AGO, INTEGER, "how long ago: 90s, 30m, 2h or 7d") /* sent as seconds since 1970 */                                                         \
	X(CODE, STRING, "a reason code")                                                                                                             \
	X(KIND, STRING, RT_WORDS(RT_KIND_WORDS))                                                                                                     \
	X(SIP, STRING, RT_WORDS(RT_SIP_WORDS))                                                                                                       \
	X(PRODUCT, STRING, RT_WORDS(RT_PRODUCT_WORDS))                                                                                               \
	X(FORM, STRING, RT_WORDS(RT_FORM_WORDS))                                                                                                     \
	X(FILE, STRING, "a file")                                                                                                                    \
	X(RULE, STRING, "the name of an access rule")                                                                                                \
	X(USER, STRING, "an address of a user such as alice@example.com")                                                                            \
	X(KEY, STRING, "a key such as limits.connections")                                                                                           \
	X(VALUE, STRING, "a value; '' for the default")                                                                                              \
	X(SETTING, ARRAY, "KEY=VALUE; KEY= for the default")                                                                                         \
	X(ROLE, STRING, RT_WORDS(RT_ROLE_WORDS))                                                                                                     \
	X(KEY_KIND, STRING, RT_WORDS(RT_KEY_KIND_WORDS))                                                                                             \
	X(PANEL_ACT, STRING, RT_WORDS(RT_PANEL_ACT_WORDS))                                                                                           \
	X(PANEL_ROLE, STRING, RT_WORDS(RT_PANEL_ROLE_WORDS))                                                                                         \
	X(DOMAINS, ARRAY, "domains such as example.com")                                                                                             \
	X(FILES, ARRAY, "files")                                                                                                                     \
	X(FLAG, TRUE, "said or not")                                                                                                                 \
	X(REQUEST, OBJECT, "the arguments of that command")                                                                                          \
	X(TEXT, STRING, "a text")                                                                                                                    \
	X(NOUN, STRING, "a noun")

enum rt_arg_kind {
#define RT_ARG_ENUM(kind, type, what) RT_ARG_##kind,
	RT_ARG_KINDS(RT_ARG_ENUM)
#undef RT_ARG_ENUM
};

struct rt_arg_info {
	const char *name;
	json_type type;
	const char *what;
};
const struct rt_arg_info *rt_arg_info(enum rt_arg_kind kind);
bool rt_arg_has_word(enum rt_arg_kind kind, const char *word);	 /* true for a kind that is not one of a few words */
int rt_arg_word_number(enum rt_arg_kind kind, const char *word); /* which of those it is, from 0; -1: none */

enum rt_arg_place {
	RT_ARG_NEEDED,
	RT_ARG_OPTIONAL,
	RT_ARG_NAMED,
	RT_ARG_OR,
	RT_ARG_SOME,
	RT_ARG_ANY,
	RT_ARG_FLAGGED
}; /* described in commands.def */

struct rt_command_arg {
	const char *key, *word; /* its key in the request; its name in the usage line */
	enum rt_arg_kind kind;
	enum rt_arg_place place;
};

enum rt_command_server {
	RT_COMMAND_OF_GATEWAY,
	RT_COMMAND_OF_BOTH,
	RT_COMMAND_OF_XFEDCTL,
	RT_COMMAND_OF_INTERNAL,
	RT_COMMAND_OF_INSIDE = RT_COMMAND_OF_INTERNAL, /* internal of both */
	RT_COMMAND_OF_PANEL			       /* internal too, and the control socket does not serve it */
};

#define RT_COMMAND_ARGS_MAX 14

struct rt_command {
	const char *noun, *verb; /* verb "" where there is none */
	enum rt_command_server server;
	bool changes;					     /* needs administrator rights */
	const char *help, *more;			     /* one line; and what only the manual says, or "" */
	struct rt_command_arg args[RT_COMMAND_ARGS_MAX + 1]; /* ends with key NULL */
};

enum {
	RT_COMMAND_COUNT = 0
#define COMMAND(id, noun, verb, served, who, help, more, args) +1
#include "xfed/rt/commands.def"
};
extern const struct rt_command rt_commands[RT_COMMAND_COUNT];

bool rt_command_is_typed(const struct rt_command *c); /* people type it: it is in the help, the manual and the completion */

#define RT_COMMAND_WORDS 384
/* "failures list [DOMAIN] [since=TIME]", as in a usage line. */
const char *rt_command_words(const struct rt_command *c, char out[RT_COMMAND_WORDS]);

/* The first needed argument that `args` has in none of its readings; NULL: there is none. */
const struct rt_command_arg *rt_command_missing(const struct rt_command *c, const json_t *args);

/* Whether `args` (an object) are those of the command: each known, of the right type, and all that are needed. False: `error` says why not. */
bool rt_command_check(const struct rt_command *c, const json_t *args, char error[160]);

/* "xfedctl partner set fabrikam.example tls=required", for a shell; `args` have been checked. Returns what xfed_buf_append() does. */
int rt_command_typed(const struct rt_command *c, const json_t *args, struct xfed_buf *out);

/* The "state" of `status` for people: "in service", "OUT OF SERVICE", "draining". Another word is returned as it is. */
const char *rt_command_state_words(const char *state);

/* ---- serving them ---- */

/* Where the answer to a command goes; kept by value until then. `done` NULL: nobody waits for it. */
struct rt_reply {
	/* Either `result`, which the callee takes over, or one of the codes above with one sentence. */
	void (*done)(void *user, json_t *result, const char *code, const char *text);
	void *user;
	void (*part)(void *user, json_t *part); /* what is known so far, borrowed; NULL: nobody wants to hear it */
};

/* Takes over `result` (an object; NULL counts as out of memory). */
void rt_reply_ok(struct rt_reply r, json_t *result);
/* One more step of a command that takes long, before it is answered: it is in the answer too. Steals `part`; NULL is fine. */
void rt_reply_part(struct rt_reply r, json_t *part);
void rt_reply_fail(struct rt_reply r, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Answers with exactly one of rt_reply_ok() and rt_reply_fail(), at once or later from the loop's thread. `args` is an object, borrowed for
 * the call; its keys are arguments of the command with the right type, and those needed are there.
 */
typedef void rt_command_handler(struct rt_reply reply, const json_t *args, void *user);

/* The handlers of a daemon, for the commands it serves. */
#define COMMAND(id, noun, verb, served, who, help, more, args) rt_command_handler command_##id;
#include "xfed/rt/commands.def"

struct rt_command_table {
	const struct rt_command *commands;
	rt_command_handler *const *handlers; /* NULL: this daemon does not serve it */
	size_t count;
};

/* The command if this daemon serves it, else NULL. */
const struct rt_command *rt_command_find(const struct rt_command_table *t, const char *noun, const char *verb);
/*
 * Refuses if the caller lacks the right (not-authorised), or if `args` do not fit the command (bad-request); else runs the handler. `args`
 * NULL: none.
 */
void rt_command_run(
	const struct rt_command_table *t, const struct rt_command *c, bool may_change, const json_t *args, struct rt_reply reply, void *user);

#endif
