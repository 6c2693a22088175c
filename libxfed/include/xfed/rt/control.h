/*
 * The control socket: a local stream socket, mode 0666, one JSON object a line each way. Peer credentials decide: root, the
 * daemon's own user and group xfed-admin may change, group xfed-read may look, anyone else is closed at once. At most
 * XFED_CONTROL_CLIENTS clients, XFED_CONTROL_READERS of them such that may only look, XFED_CONTROL_REQUEST_BYTES a request, RT_CONTROL_REPLY_BYTES an answer. A client's requests are
 * answered one after the other. Every command that changes something leaves a line `event=audit.command` in the log.
 *
 * Request:  {"noun": "partner", "verb": "show", "args": {"domain": "fabrikam.example"}}      (verb "" where a noun has none)
 * Answer:   {"ok": true, "result": {...}}   or   {"ok": false, "error": {"code": "...", "text": "one sentence"}}
 * Codes: bad-request, unknown-command, not-authorised, not-found, failed, not-built, busy.
 *
 * ---- the contract: what the daemons answer as `result`, and xfedctl prints ----
 * Times: `since` and `not_after` are seconds since 1970 UTC; `..._s` seconds, `..._ms` milliseconds. A field marked ? is left
 * out where it does not apply. Reasons are codes of xfed/reason.h.
 *
 * status ""  {}
 *   {"name", "role": "edge"|"gateway", "version", "uptime_s", "pid",
 *    "state": "in-service"|"out-of-service"|"draining",
 *    "problems": [{"reason", "text", "since"}],                       what is wrong now, worst first
 *    "channel":  [{"peer", "up": bool, "since", "rtt_ms"?, "reason"?}],
 *    "streams":  {"in", "out"},
 *    "deliveries_in_flight",
 *    "policy":   {"epoch", "revision", "hash", "partners"}?,          absent on an edge that has none yet
 *    "edges":    [a status object as above]?}                         gateway: one for each edge, as last reported
 *
 * stream list  {"domain"?}
 *   {"streams": [{"id", "local", "remote", "direction": "in"|"out", "state", "tls"?, "cipher"?,
 *                 "method"?: "external"|"dialback-tls"|"dialback-plain", "peer_address", "age_s", "idle_s", "queued",
 *                 "certificate"?: {"subject", "issuer", "not_after", "sha256"}, "edge"?}]}
 *
 * stream show   {"id"}      a stream as in stream list, with "stanzas_in", "stanzas_out", "paused": bool, and inside TLS "certificate" in
 *   full (as in a failure's chain) and "certificate_problem"?, the reason why it does not prove the partner
 * stream close  {"id"}      {"id", "local", "remote", "reason", "edge"?}     admin
 *   id is a string: "7", or "edge1/7" as numbers are an edge's own; a gateway with several edges takes the second form only.
 *
 * partner list  {}          {"partners": [PARTNER]}
 * partner show  {"domain"}  PARTNER, with "streams": [as in stream list]
 *   PARTNER = {"domain", "description"?, "additional_domains": [..], "partner_type", "tls", "sasl", "dialback": bool,
 *              "connect_to"?, "keepalive": bool, "limits": {"connections", "stanzas_per_second", "stanza_size"},
 *              "kinds": [..], "dane", "trust": {"ca": bool, "pins": [..]},
 *              "matrix": {"row", "methods": ["external", ..], "problem"?}}
 *   rt_control_partner() builds it from a struct xfed_partner.
 * partner check {"domain", "local"?, "edge"?}     gateway; takes up to 20 s. local: which of our domains; edge: by name
 *   {"domain", "ok": bool, "steps": [STEP], "local"?, "edge"?, "took_ms"?, "endpoints"?: [{"target", "address", "reachable": bool,
 *    "reason"?}], "tls"?, "cipher"?, "certificate"?, "offers"?: {"external": bool, "dialback": bool},
 *    "methods"?: [{"method", "allowed": bool, "works"?: bool, "reason"?}], "inbound"?: bool}
 *   STEP = {"step", "state": "ok"|"note"|"problem", "text", "reason"?, "side"?, "remedy"?}; ok is false where one is a problem.
 *   Steps in their order: policy, dns, tcp, tls, certificate, offers, method, reverse-dns, reverse; each may come several times,
 *   or not at all behind a problem.
 *
 * explain ""    {"from", "to"}     gateway: every gate between two addresses, "user@domain" or "sip:user@domain"
 *   {"from", "to", "ok": bool, "direction"?: "to_sip"|"to_xmpp", "closed"?: the first closed gate,
 *    "gates": [{"gate", "state": "ok"|"closed"|"skipped", "text", "reason"?, "side"?, "remedy"?}]}     in their order:
 *   addresses, direction, partner, kinds, access, contact, mapping, next-hop, gateway, link, policy, edge, stream
 *
 * failures list  {"partner"?, "since"?, "limit"? (1 to 500, else 50), "before"?}     gateway
 *   {"failures": [FAILURE], "next"?}            newest first; "next" where the page is full: as "before" it gives the page behind
 * failures show  {"id"}     FAILURE, with "steps": [{"at_ms", "step", "ok": bool, "detail"?}], "facts": [{"name", "value"}],
 *   "chain": [{"subject", "issuer", "serial", "sha256", "not_before", "not_after", "eku": ["serverAuth"|"clientAuth"|..],
 *              "names": [..]}], "unreadable"?: true where the store is damaged.   Unknown id: not-found.
 *   FAILURE = {"id", "at", "last", "count", "edge"?, "direction": "in"|"out", "local", "remote", "reason", "side", "text"?,
 *              "correlation"?, "remedy"?}       at, last: seconds since 1970 UTC of the first and the last of `count` times; edge
 *              is absent for the gateway's own; remedy is absent for a reason of a newer edge. Steps count from the attempt's
 *              beginning and are those of the first time.
 * failures retry {"id"} or {"domain"}     {"pairs": [{"local", "remote", "state", "queued", "edge"}]}     admin
 *   not-found: no such failure, or no edge remembers an attempt; failed: it was the partner's attempt.
 *
 * config show   {}          {"text": "...YAML..."}                    rt_conf_print()
 * config check  {}          {"ok": bool, "errors": [TEXT], "warnings": [TEXT]}   the files as they are now; nothing is changed
 * reload ""     {}          {"ok": bool, "errors": [TEXT], "warnings": [TEXT], "revision"?}     admin
 *   TEXT as rt_conf_problem_print() makes it; rt_control_problems() fills both lists. A reload that fails answers
 *   "ok": true with result.ok false: the command worked, the files did not.
 * log level  {"level": "debug"|.., "domain"?, "on"?: bool}  {"level"}  admin; with a domain: debug for that domain on or off
 */
#ifndef XFED_RT_CONTROL_H
#define XFED_RT_CONTROL_H

#include <jansson.h>
#include <sys/types.h>

#include "xfed/base.h"
#include "xfed/limits.h"
#include "xfed/policy.h"
#include "xfed/rt/command.h"
#include "xfed/rt/conf.h"

#define RT_CONTROL_REPLY_BYTES (8 * 1024 * 1024)
#define RT_CONTROL_DEPTH       16 /* nesting of a request */
#define RT_CONTROL_IDLE_MS     300000

struct uv_loop_s;
struct rt_control;

struct rt_control_command {
	const char *noun, *verb; /* verb "" where there is none */
	bool needs_admin;
	rt_command_handler *handler;
	const char *help;
};

/*
 * Listens on `path` (at most 107 bytes). A left-over socket that nobody answers on is replaced; one that answers is another
 * instance. INVALID with one sentence in `error`; NOMEM; LIBRARY. `commands` ends with noun NULL and outlives the object.
 */
int rt_control_new(
	struct uv_loop_s *uv, const char *path, const struct rt_control_command *commands, void *user, struct rt_control **out, char error[256]);
/*
 * Stops listening, removes the socket and closes the clients; memory goes when the loop has run its close callbacks. Commands
 * that wait still have to be answered; the answers go nowhere. NULL is fine.
 */
void rt_control_free(struct rt_control *c);

/* Who a pair of credentials is; for tests. Groups are numeric; (gid_t)-1 for a group that does not exist here. */
enum rt_control_role { RT_CONTROL_NOBODY, RT_CONTROL_READER, RT_CONTROL_ADMIN };
enum rt_control_role rt_control_role_of(uid_t uid, const gid_t *groups, size_t group_count, uid_t own_uid, gid_t admin_group, gid_t read_group);

/*
 * Parses and checks one request line: an object with strings `noun` and `verb` (optional), an object `args` (optional), nothing
 * else, within the limits. OK: `*out` is a new reference. INVALID: `error` says why.
 */
int rt_control_parse(struct xfed_span line, json_t **out, char error[160]);

/* Parts of answers; NULL on NOMEM. */
json_t *rt_control_partner(const struct xfed_partner *p);
json_t *rt_control_problems(const struct rt_conf_errors *errors); /* {"ok", "errors", "warnings"} */
/* log level, the same in every daemon: put it into the command table with needs_admin. */
rt_command_handler rt_control_log_level;

#endif
