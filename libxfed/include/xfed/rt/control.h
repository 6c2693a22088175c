/*
 * The control socket: a local stream socket, mode 0666, with one JSON object per line in each direction. Peer credentials decide: root,
 * the daemon's own user and group xfed-admin may change, group xfed-read may look, anybody else is disconnected at once. Limits:
 * XFED_CONTROL_CLIENTS clients, XFED_CONTROL_READERS of them with the right to look only, XFED_CONTROL_REQUEST_BYTES per request,
 * RT_CONTROL_REPLY_BYTES per answer. The requests of a client are answered one after the other. Every command that changes something
 * writes a line `event=audit.command` to the log. The commands are in xfed/rt/command.h.
 *
 * Request:  {"noun": "partner", "verb": "show", "args": {"domain": "fabrikam.example"}}      (verb "" where a noun has none)
 * Answer:   {"ok": true, "result": {...}}   or   {"ok": false, "error": {"code": "...", "text": "one sentence"}}
 *           Before it a command that takes long says what it has done so far, a line each: {"part": {...}}
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
#include "xfed/tls.h"

#define RT_CONTROL_REPLY_BYTES (8 * 1024 * 1024)
#define RT_CONTROL_DEPTH       16 /* nesting of a request */
#define RT_CONTROL_IDLE_MS     300000
#define RT_CERT_SOON_S	       (14 * 86400) /* a certificate that expires within this time is reported */

struct uv_loop_s;
struct rt_control;

/*
 * Listens on `path` (at most 107 bytes). Replaces a socket left over from a process that has ended; if one answers, it is another instance.
 * INVALID with one sentence in `error`; NOMEM; LIBRARY. `commands` outlives the object.
 */
int rt_control_new(
	struct uv_loop_s *uv, const char *path, const struct rt_command_table *commands, void *user, struct rt_control **out, char error[256]);
/*
 * Stops listening, removes the socket and closes the clients; memory is freed when the loop has run its close callbacks. Commands that are
 * open still have to be answered, and the answers are dropped. NULL is fine.
 */
void rt_control_free(struct rt_control *c);

/* Removes a socket that a process left behind which has ended. OK: the path is free. INVALID with one sentence in `error`: somebody answers, or it is no socket. */
int rt_control_clear(const char *path, char error[256]);

/* The role for given credentials; for tests. Groups are numeric; (gid_t)-1: a group that does not exist on this host. */
enum rt_control_role { RT_CONTROL_NOBODY, RT_CONTROL_READER, RT_CONTROL_ADMIN };
enum rt_control_role rt_control_role_of(uid_t uid, const gid_t *groups, size_t group_count, uid_t own_uid, gid_t admin_group, gid_t read_group);

/*
 * Parses and checks one request line: an object with strings `noun` and `verb` (optional), an object `args` (optional), nothing
 * else, within the limits. OK: `*out` is a new reference. INVALID: `error` says why.
 */
int rt_control_parse(struct xfed_span line, json_t **out, char error[160]);

/* Parts of answers; NULL: no memory. */
json_t *rt_control_partner(const struct xfed_partner *p);
/* {"ok", "errors", "warnings", "needs_restart"?}; `fresh`: the loaded document after rt_conf_keep(); NULL: there is none, or it does not matter */
json_t *rt_control_problems(const struct rt_conf_errors *errors, const struct rt_conf_doc *fresh);
const char *rt_control_time(int64_t seconds, char out[24]); /* ISO-8601, UTC */
/* One more of the problems of `status`: {"reason", "text", "since"}. */
void rt_control_add_problem(json_t *list, enum xfed_reason reason, int64_t since_s, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
json_t *rt_control_text(struct xfed_span s);			/* "" if it is absent; bytes that are not UTF-8 are replaced */
void rt_control_set_reason(json_t *j, enum xfed_reason reason); /* sets "reason", "side", "remedy"; nothing if `j` is NULL or the reason NONE */
/* Adds a step of a check: "ok", "note" or "problem". */
void rt_control_add_step(json_t *steps, const char *step, const char *state, enum xfed_reason reason, const char *text);
/* tls.own.expired, tls.own.not-yet-valid, or NONE: our certificate is valid at this time. */
enum xfed_reason rt_cert_problem(const struct xfed_cert *cert, int64_t now_s);
/* Adds a problem to `status` for each certificate of ours that is not valid yet, or expires within RT_CERT_SOON_S. `creds` may be NULL. */
void rt_control_add_certificates(json_t *list, const struct xfed_tls_creds *creds, int64_t now_s);
/* The snapshot of policy in force. */
json_t *rt_control_policy(uint64_t epoch, uint64_t counter, const uint8_t hash[32], size_t partners);
/* The answer to `config show`. */
void rt_control_show_config(struct rt_reply reply, const struct rt_conf_doc *in_force);

/* Whether a list of texts has this one; what is no text in it is none. */
bool rt_control_has_text(const json_t *list, const char *text);

#endif
