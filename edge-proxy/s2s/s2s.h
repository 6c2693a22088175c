/*
 * s2s: streams with the servers of partners, in both directions: who may open one and how many, how they authenticate, the stanzas that
 * come in over them, and our stanzas that wait for one.
 *
 *   stream   one TCP connection with a partner's server; known to other rooms by a number that is never used again
 *   pair     one domain of ours and one of a partner's: our way to the partner, with the stanzas that wait for it
 *   item     one stanza for a partner, from s2s_item_new() until its outcome is reported
 *   fate     the outcome of a stanza: delivered, refused, withdrawn or uncertain
 *   answer   a stanza made by the edge itself: an error, the result of an IQ. Its outcome is reported to nobody
 *   parked   a partner's stanza that no gateway has been sent yet; while there are too many the stream is not read
 *   covered  a partner's stanza whose outcome no longer depends on the sender's server; with stream management it is acknowledged then
 *   probe    a stream opened only to see how far it gets; it carries no stanzas
 *
 * May call core, the configuration, libxfed, and proto for the types of failures and fates. The rooms above are reached through struct
 * s2s_user.
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

/* The present state of a stream; borrowed for the call. */
struct s2s_stream {
	uint64_t id;
	enum xfed_s2s_direction direction;
	const char *address;
	bool is_established; /* an identity has been authenticated on it, the partner's or ours */
	bool is_connecting;
	bool is_paused; /* not read, because too much is parked */
	uint64_t stanzas_in, stanzas_out;
	size_t queued;		   /* stream of ours: the number of stanzas that wait for it */
	struct xfed_s2s_info info; /* while connecting only the domains and the times are set */
};

/* A stanza that came in and is meant for a gateway; borrowed for the call. */
struct s2s_incoming {
	struct s2s_conn *conn;		   /* for the functions below, during the call only */
	uint64_t stream, ordinal;	   /* together the identity of the stanza, never used twice */
	uint64_t not_before_ms;		   /* it came faster than the partner's rate allows: not to be sent to a gateway before then; 0: at once */
	const struct xfed_s2s_action *act; /* `sm_number` in it is what s2s_cover() takes */
};

/* The correlation id of a stanza that came in, as in each log line about it, here and on the gateway: NAME-STREAM-ORDINAL. */
#define S2S_CORRELATION_BYTES 64 /* as much as the channel carries; a long NAME is cut */
void s2s_correlation(const struct s2s *s, uint64_t stream, uint64_t ordinal, char out[S2S_CORRELATION_BYTES]);

/* Functions that the rooms above hand to this one; every member is set. None of them may free the room. */
struct s2s_user {
	/* False: it was refused with s2s_refuse(). */
	bool (*stanza)(void *user, const struct s2s_incoming *in);
	/* The outcome of an item that is not an answer, once; `owner` is the item's, and does not exist any more afterwards unless `lost` follows. */
	void (*fate)(void *user, void *owner, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side);
	/* A withdrawn item was already written and awaits its acknowledgement: it counts as delivered, with SIP status 202, and stays. */
	void (*written)(void *user, void *owner);
	/* An item for which `written` was called, or which was reported as delivered, is lost after all. */
	void (*lost)(void *user, void *owner);
	void (*opened)(void *user, const struct s2s_stream *st);
	void (*closed)(void *user, const struct s2s_stream *st, enum xfed_reason reason, enum xfed_side side, const char *text);
	/* An attempt has failed; `is_stranger`: the peer had not authenticated. */
	void (*failed)(void *user, const struct proto_failure *f, bool is_stranger);
	void (*ended)(void *user); /* a stream has ended and been freed */
};

/* ---- the room ---- */

/* OK, NOMEM, LIBRARY. `core`, `user` and `config` outlive it. */
int s2s_new(struct core *core, const struct s2s_user *user, void *user_data, const struct edge_config *config, struct s2s **out);
void s2s_stop(struct s2s *s); /* ends every stream at once, and tells nobody; while the loop still runs. NULL is fine */
void s2s_free(struct s2s *s); /* after the loop has ended, when no job is running any more. NULL is fine */
void s2s_tick(struct s2s *s, uint64_t now_ms);
void s2s_gauges(struct s2s *s);

/* At the start and at a reload: takes over the credentials, judges the streams by them and clears the waiting times of pairs. */
void s2s_configure(struct s2s *s, const struct edge_config *config, struct xfed_tls_creds *creds);
const struct xfed_tls_creds *s2s_creds(const struct s2s *s);
/* A domain of ours that no certificate names, so that partners are shown the first certificate; NULL: none. `*more`: how many others. */
const char *s2s_unnamed(const struct s2s *s, size_t *more, int64_t *since_s);

/* Takes the policy over: judges the streams again, and refuses stanzas that wait for partners it no longer lists. */
void s2s_use_policy(struct s2s *s, struct xfed_policy *fresh);
const struct xfed_policy *s2s_policy(const struct s2s *s);		     /* NULL: no policy yet */
const char *s2s_partner_label(const struct s2s *s, struct xfed_span remote); /* label for metrics: "other" for domains policy does not list */

/* `why_not` NONE: partners may authenticate. `is_leaving`: answers that find no stream do not wait for another attempt. */
void s2s_set_service(struct s2s *s, enum xfed_reason why_not, bool is_leaving);
void s2s_accept(struct s2s *s, struct rt_stream *stream); /* a connection of a listener: taken over, or closed without an answer */

/* ---- streams ---- */

/* For each stream that is not closing; `st` is borrowed for the call, which may close that stream. */
void s2s_each(struct s2s *s, void (*fn)(void *user, const struct s2s_stream *st), void *user);
bool s2s_find(struct s2s *s, uint64_t id, struct s2s_stream *out);
bool s2s_has_inbound(struct s2s *s, struct xfed_span local, struct xfed_span remote); /* a partner's stream has proved the pair */
void s2s_stream_close(struct s2s *s, uint64_t id, enum xfed_reason reason);
void s2s_close_all(struct s2s *s, bool incoming_alone, enum xfed_reason reason);
size_t s2s_count(const struct s2s *s);
size_t s2s_count_incoming(const struct s2s *s);
void s2s_count_established(struct s2s *s, size_t *in, size_t *out);

/* ---- stanzas of partners ---- */

void s2s_refuse(const struct s2s_incoming *in, enum xfed_reason reason); /* its sender gets an error, where one may be sent */
/* How many of its stream's stanzas are parked; where stream management counts them, at most XFED_DELIVERY_PARK_COUNTED may be. */
size_t s2s_parked(const struct s2s_incoming *in);
void s2s_park(const struct s2s_incoming *in, size_t bytes, bool gateways_take); /* gateways are taking stanzas now */
void s2s_unpark(struct s2s *s, uint64_t stream, size_t bytes);			/* does nothing where the stream has ended */
void s2s_cover(struct s2s *s, uint64_t stream, uint64_t number);		/* does nothing where the stream has ended, or for number 0 */

/* ---- stanzas for partners ---- */

/* `owner_bytes` of memory come with the item for its owner, who is told the outcome; 0: nobody is, and a loss is counted under `rule`. */
struct s2s_item_new {
	struct xfed_span stanza, remote; /* copied. An empty stanza only has the stream opened */
	size_t owner_bytes;
	const char *rule;
	bool is_answer;
	uint64_t deadline_ms; /* 0: XFED_DELIVERY_DEADLINE_MS from now */
};
struct s2s_item *s2s_item_new(const struct s2s_item_new *n); /* NULL: no memory */
void *s2s_item_owner(struct s2s_item *it);
void s2s_send(struct s2s *s, struct xfed_span local, struct xfed_span remote, struct s2s_item *it); /* takes the item over, whatever happens */
/* One that waits ends as withdrawn, with the reason of the step it waited for; for one that is written see s2s_user.written. */
void s2s_withdraw(struct s2s *s, struct s2s_item *it);
/* Sends an answer. One with `elem` NULL, or so large that the partner might not accept it, is dropped and counted. */
void s2s_answer(struct s2s *s, struct xfed_span local, struct xfed_span remote, const struct xfed_xml_elem *elem, const char *rule);
size_t s2s_waiting(const struct s2s *s); /* items that have not ended */

/* ---- pairs ---- */

struct s2s_pair_facts {
	const char *local, *remote, *state;
	size_t queued;
	uint64_t retry_in_ms; /* 0: no wait */
	enum xfed_reason last_reason;
};
/* The pairs with `remote` (and with `local`, where it is not empty), without verify pairs. */
void s2s_each_pair(
	struct s2s *s, struct xfed_span local, struct xfed_span remote, void (*fn)(void *user, const struct s2s_pair_facts *p), void *user);
/* Clears the waiting times of the pairs with `remote` and opens their streams; that of (local, remote) even where the pair is unknown. OK, NOMEM. */
int s2s_retry(struct s2s *s, struct xfed_span local, struct xfed_span remote);

/* How our last attempt at a stream for a pair ended, and when one last worked, since the start of the process. */
struct s2s_standing {
	const char *local, *remote;
	int64_t worked_s, without_since_s; /* 0: never; since when `why_not_external` holds */
	int64_t failed_s, fails_since_s;   /* the last failure, and the first one in a row with the same reason; 0: none */
	enum xfed_reason reason;	   /* why it fails; NONE: it does not fail, or has worked since */
	char text[192];			   /* the same in words; "": none */
	enum xfed_reason why_not_external; /* why EXTERNAL failed, which is allowed and would be better, where dialback works; NONE: it did not */
	bool is_made_up;		   /* a name below a wildcard partner that has never worked: it may be a user's typing error */
};
const struct s2s_standing *s2s_standing_of(const struct s2s *s, const char *local, const char *remote); /* NULL: there was no attempt */
/* Partners with a file of their own come first. */
void s2s_each_standing(const struct s2s *s, void (*fn)(void *user, const struct s2s_standing *st), void *user);
/* Pairs whose partner was refused as untrusted; 0 where any was found trusted since trust.ca was loaded, which was at `*since_s`. */
size_t s2s_untrusted(const struct s2s *s, int64_t *since_s);

/* ---- reachable addresses; probes ---- */

void s2s_decision_for(const struct s2s *s, const struct xfed_partner *partner, struct xfed_s2s_decision *out);
/* NULL: a partner's DNS may lead to `a`; else why not, as words that follow "is". */
const char *s2s_reach_refuses(struct s2s *s, const struct rt_addr *a);
const char *s2s_lookup_words(const struct rt_endpoints *r);  /* why it has no endpoints */
bool s2s_leads_here(struct s2s *s, const struct rt_addr *a); /* it is a listener of this edge, as far as this host can know */
/* The configured address that streams leave from, where it has the family of `to`; else NULL. */
const struct rt_addr *s2s_source_for(const struct s2s *s, const struct rt_addr *to, struct rt_addr *storage);

struct s2s_probe_result {
	enum xfed_reason reason; /* NONE: authenticated by `method` */
	enum xfed_side side;
	const char *text; /* never NULL */
	enum xfed_method method;
	const struct xfed_s2s_info *info; /* how far the stream got; NULL: TCP could not be connected */
};
struct s2s_probe_config {
	const char *local, *remote; /* normalised, copied */
	struct xfed_s2s_decision decision;
	const struct rt_addr *to;
	uint32_t timeout_ms; /* for the negotiation; connecting has the configured limit */
	/* Called once, in a later turn of the loop; what it is given is borrowed. The probe does not exist any more afterwards. */
	void (*fn)(void *user, const struct s2s_probe_result *r);
	void *user;
};
int s2s_probe_new(struct s2s *s, const struct s2s_probe_config *cfg, struct s2s_probe **out); /* OK, NOMEM, LIBRARY (no socket) */
void s2s_probe_cancel(struct s2s_probe *p); /* NULL is fine; `fn` is not called any more. An open stream is closed in good order */

#endif
