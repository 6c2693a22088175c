/*
 * s2s: streams with the servers of partners, in both directions: who may open one and how many, what is proved on it, the stanzas
 * that come in over it, and those of ours that wait for one.
 *
 *   stream   one TCP connection with a partner's server; known outside by its number, which is never used again
 *   pair     one domain of ours and one of a partner's: our way to the partner, with what waits for it
 *   item     one stanza for a partner, from s2s_item_new() until its fate is told
 *   answer   a stanza of the edge's own to a partner: an error, the result of an IQ. Nobody is told its fate
 *   parked   a partner's stanza that no gateway has been sent yet: too many of them, and its stream is not read
 *   covered  a partner's stanza that needs its sender's server no more: acknowledged where stream management runs
 *   probe    a stream opened to see how far it gets; it carries nothing
 *
 * May call core, the configuration, libxfed, and proto for the words of failures and fates. What climbs goes through struct s2s_user.
 */
#ifndef EDGE_S2S_S2S_H
#define EDGE_S2S_S2S_H

#include "config.h"
#include "core/core.h"
#include "proto/fill.h"
#include "xfed/policy.h"
#include "xfed/rt/resolver.h"
#include "xfed/rt/stream.h"
#include "xfed/s2s.h"

struct s2s;
struct s2s_conn;
struct s2s_item;
struct s2s_probe;

/* A stream as it is now; borrowed for the call. */
struct s2s_stream {
	uint64_t id;
	enum xfed_s2s_direction direction;
	const char *address;
	bool is_established; /* it has proved something, or we have */
	bool is_connecting;
	bool is_paused; /* too much is parked */
	uint64_t stanzas_in, stanzas_out;
	size_t queued;		   /* out: what waits for it */
	struct xfed_s2s_info info; /* of one that is still connecting: the domains and the times */
};

/* A stanza that came in and is for a gateway; borrowed for the call. */
struct s2s_incoming {
	struct s2s_conn *conn;		   /* for the calls below, inside this one only */
	uint64_t stream, ordinal;	   /* of the stream, and of the stanza on it: never the same twice */
	uint64_t not_before_ms;		   /* it came faster than the partner's rate: to a gateway at that time; 0: now */
	const struct xfed_s2s_action *act; /* its `sm_number` is for s2s_cover() */
};

/* What a stanza that came in is called in every log line about it, here and on the gateway: NAME-STREAM-ORDINAL. */
#define S2S_CORRELATION_BYTES 64 /* a word of the channel; a long name is cut */
void s2s_correlation(const struct s2s *s, uint64_t stream, uint64_t ordinal, char out[S2S_CORRELATION_BYTES]);

/* What the rooms above do with what comes up from here; all set. None may free the room. */
struct s2s_user {
	/* False: it was refused, which its sender has been told by s2s_refuse(). */
	bool (*stanza)(void *user, const struct s2s_incoming *in);
	/* The fate of an item that is not an answer, once; `owner` is what came with it, and is gone afterwards unless `lost` follows. */
	void (*fate)(void *user, void *owner, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side);
	/* One that was taken back is written and not acknowledged: told as delivered, with 202. It stays until it is. */
	void (*written)(void *user, void *owner);
	/* It, or one that was told as delivered, is lost after all. */
	void (*lost)(void *user, void *owner);
	void (*opened)(void *user, const struct s2s_stream *st);
	void (*closed)(void *user, const struct s2s_stream *st, enum xfed_reason reason, enum xfed_side side, const char *text);
	/* An attempt that failed; `is_stranger`: of somebody who has proved nothing. */
	void (*failed)(void *user, const struct proto_failure *f, bool is_stranger);
	void (*ended)(void *user); /* a stream is gone for good */
};

/* ---- the room ---- */

/* OK, NOMEM, LIBRARY. `core`, `user` and `config` outlive it. */
int s2s_new(struct core *core, const struct s2s_user *user, void *user_data, const struct edge_config *config, struct s2s **out);
void s2s_stop(struct s2s *s); /* every stream at once, nobody is told; before the loop ends. NULL is fine */
void s2s_free(struct s2s *s); /* behind the loop's end: jobs have come back. NULL is fine */
void s2s_tick(struct s2s *s, uint64_t now_ms);
void s2s_gauges(struct s2s *s);

int s2s_load_creds(const struct edge_config *c, struct xfed_tls_creds **out, char error[256]);
/* At the start and at a reload: takes over the credentials; streams are judged by them, waiting times are forgotten. */
void s2s_configure(struct s2s *s, const struct edge_config *config, struct xfed_tls_creds *creds);
const struct xfed_tls_creds *s2s_creds(const struct s2s *s);
/* A domain of ours that none of them names, so that partners are shown the first of the list; NULL: there is none. `*more`: besides it. */
const char *s2s_unnamed(const struct s2s *s, size_t *more, int64_t *since_s);

/* Takes the policy over: streams are judged again, what waits for who is listed no more is refused. */
void s2s_use_policy(struct s2s *s, struct xfed_policy *fresh);
const struct xfed_policy *s2s_policy(const struct s2s *s);		     /* NULL: none yet */
const char *s2s_partner_label(const struct s2s *s, struct xfed_span remote); /* for metrics: "other" where unlisted */

/* Whether streams of partners may prove themselves: `why_not` NONE. `is_leaving`: answers that find no stream are not kept for another. */
void s2s_set_service(struct s2s *s, enum xfed_reason why_not, bool is_leaving);
void s2s_accept(struct s2s *s, struct rt_stream *stream); /* from a listener; taken over, or closed silently */

/* ---- streams ---- */

/* For each that is not closing; `st` is borrowed for the call, which may close that one. */
void s2s_each(struct s2s *s, void (*fn)(void *user, const struct s2s_stream *st), void *user);
bool s2s_find(struct s2s *s, uint64_t id, struct s2s_stream *out);
bool s2s_has_inbound(struct s2s *s, struct xfed_span local, struct xfed_span remote); /* one of theirs that has proved the pair */
void s2s_stream_close(struct s2s *s, uint64_t id, enum xfed_reason reason);
void s2s_close_all(struct s2s *s, bool incoming_alone, enum xfed_reason reason);
size_t s2s_count(const struct s2s *s);
size_t s2s_count_incoming(const struct s2s *s);
void s2s_count_established(struct s2s *s, size_t *in, size_t *out);

/* ---- stanzas of partners ---- */

void s2s_refuse(const struct s2s_incoming *in, enum xfed_reason reason); /* its sender is told, where one may be */
/* So many are parked already; at most XFED_DELIVERY_PARK_COUNTED may be where stream management counts them. */
size_t s2s_parked(const struct s2s_incoming *in);
void s2s_park(const struct s2s_incoming *in, size_t bytes, bool gateways_take); /* `gateways_take`: it will not be for long */
void s2s_unpark(struct s2s *s, uint64_t stream, size_t bytes);			/* the stream may be gone */
void s2s_cover(struct s2s *s, uint64_t stream, uint64_t number);		/* likewise; 0 does nothing */

/* ---- stanzas for partners ---- */

/* `owner_bytes` of memory come with it, for whoever is told its fate; 0: nobody is, and losing it is counted under `rule`. */
struct s2s_item_new {
	struct xfed_span stanza, remote; /* copied. An empty stanza opens the stream and is not written */
	size_t owner_bytes;
	const char *rule;
	bool is_answer;
	uint64_t deadline_ms; /* 0: XFED_DELIVERY_DEADLINE_MS from now */
};
struct s2s_item *s2s_item_new(const struct s2s_item_new *n); /* NULL: no memory */
void *s2s_item_owner(struct s2s_item *it);
void s2s_send(struct s2s *s, struct xfed_span local, struct xfed_span remote, struct s2s_item *it); /* takes it over in every case */
/*
 * Takes an item back. One that waits ends as withdrawn, with the reason of the step it waited on; of a written one that is not
 * acknowledged yet, see `written`.
 */
void s2s_withdraw(struct s2s *s, struct s2s_item *it);
/* An answer: `elem` NULL, or too large to be sure that it is taken, is counted as dropped. */
void s2s_answer(struct s2s *s, struct xfed_span local, struct xfed_span remote, const struct xfed_xml_elem *elem, const char *rule);
size_t s2s_waiting(const struct s2s *s); /* items without a fate */

/* ---- pairs ---- */

struct s2s_pair_facts {
	const char *local, *remote, *state;
	size_t queued;
	uint64_t retry_in_ms; /* 0: it does not wait */
	enum xfed_reason last_reason;
};
/* Those with `remote` (and `local`, where it is not empty); not those for questions alone. */
void s2s_each_pair(
	struct s2s *s, struct xfed_span local, struct xfed_span remote, void (*fn)(void *user, const struct s2s_pair_facts *p), void *user);
/* Forgets their waiting time and opens streams that are not there, that of (local, remote) also where nothing is known of it. OK, NOMEM. */
int s2s_retry(struct s2s *s, struct xfed_span local, struct xfed_span remote);

/* How our last attempt at a stream of a pair ended, and when one worked last; since the start of the process. */
struct s2s_standing {
	const char *local, *remote;
	int64_t worked_s, without_since_s; /* 0: it has not; since then `why_not_external` stands */
	int64_t failed_s, fails_since_s;   /* the last failure, and the first in a row for this reason; 0: none */
	enum xfed_reason reason;	   /* why it fails; NONE: it does not, what failed has worked since */
	char text[192];			   /* ... and in words; "": none */
	enum xfed_reason why_not_external; /* it works by dialback although the better EXTERNAL is allowed; NONE: it does not */
	bool is_made_up;		   /* a name below a wildcard that has never worked: for all that is known, a user's slip */
};
const struct s2s_standing *s2s_standing_of(const struct s2s *s, const char *local, const char *remote);		/* NULL: nothing is known */
void s2s_each_standing(const struct s2s *s, void (*fn)(void *user, const struct s2s_standing *st), void *user); /* first those that files list */
/* Pairs whose partner was refused as untrusted, where no partner at all has been found trusted since trust.ca was loaded, at `*since_s`. */
size_t s2s_untrusted(const struct s2s *s, int64_t *since_s);

/* ---- where streams may go; probes ---- */

void s2s_decision_for(const struct s2s *s, const struct xfed_partner *partner, struct xfed_s2s_decision *out);
/* NULL: a partner's DNS may lead there; else why not, as words behind "is". */
const char *s2s_reach_refuses(struct s2s *s, const struct rt_addr *a);
const char *s2s_lookup_words(const struct rt_endpoints *r);  /* why it has no endpoints */
bool s2s_leads_here(struct s2s *s, const struct rt_addr *a); /* to a listener of this edge, as far as this host can know */
/* The address streams leave from, where one is configured and of that family; else NULL. */
const struct rt_addr *s2s_source_for(const struct s2s *s, const struct rt_addr *to, struct rt_addr *storage);

struct s2s_probe_result {
	enum xfed_reason reason; /* NONE: logged in by `method` */
	enum xfed_side side;
	const char *text; /* never NULL */
	enum xfed_method method;
	const struct xfed_s2s_info *info; /* how far it got; NULL: TCP did not come about */
};
struct s2s_probe_config {
	const char *local, *remote; /* normalised, copied */
	struct xfed_s2s_decision decision;
	const struct rt_addr *to;
	uint32_t timeout_ms; /* for the negotiation; connecting has the edge's own bound */
	/* Runs once, in a later turn; what it is given is borrowed. The probe is gone afterwards. */
	void (*fn)(void *user, const struct s2s_probe_result *r);
	void *user;
};
int s2s_probe_new(struct s2s *s, const struct s2s_probe_config *cfg, struct s2s_probe **out); /* OK, NOMEM, LIBRARY (no socket) */
void s2s_probe_cancel(struct s2s_probe *p); /* NULL is fine; `fn` does not run any more. It says goodbye where a stream is open */

#endif
