/* What the files of s2s share; included by this room only. Pairs and items are in outbound.h, shares of places and rates in shares.h. */
#ifndef EDGE_S2S_S2S_IMPL_H
#define EDGE_S2S_S2S_IMPL_H

#include "proto/check.h"
#include "proto/deliver.h"
#include "s2s/driver.h"
#include "s2s/outbound.h"
#include "s2s/s2s.h"
#include "s2s/shares.h"
#include "util/table.h"
#include "xfed/rt/log.h"
#include "xfed/rt/reach.h"
#include "xfed/rt/source.h"
#include "xfed/rt/tidy.h"

struct s2s_steps;
struct s2s_newest;
struct s2s_standing_entry;
/* Where the partner's name of a standing comes from. Each kind has a limit of its own, so that none displaces those of another. */
enum s2s_standing_kind { S2S_STANDING_LISTED, S2S_STANDING_REACHED /* matched by a wildcard only */, S2S_STANDING_MADE_UP, S2S_STANDING_KINDS };

struct s2s_conn {
	struct driver d; /* has to be the first member */
	struct s2s *s2s;
	uint64_t id;
	enum xfed_s2s_direction direction;
	char address[RT_ADDR_TEXT];
	struct s2s_pair *pair;						/* stream of ours: the pair it belongs to */
	bool is_question;						/* stream of ours: for dialback questions */
	bool is_established;						/* authenticated: it has given back its place among the unauthenticated */
	bool has_refused;						/* incoming: a pair was refused, which has been reported */
	bool has_served;						/* incoming: a db:verify was answered */
	bool has_decision, has_pair_decision, pair_is_local, is_saying; /* the events that answer() has to return next */
	struct xfed_s2s_decision decision;
	struct xfed_buf say;			  /* the answer as authoritative server */
	uint64_t charged_work, charged_job;	  /* incoming: units of work charged to its address; of these for handshakes */
	struct s2s_steps *steps;		  /* incoming: until it is authenticated */
	struct s2s_newest *newest;		  /* incoming: set while this is the newest stream of its pair */
	uint64_t superseded_ms, superseded_bytes; /* when a newer stream came, and how many bytes had come in on this one by then */
	struct s2s_tally *tally;		  /* incoming: the partner's tally that counts this stream; NULL: not authenticated */
	size_t parked_bytes, parked_count;	  /* incoming: its stanzas that no gateway has been sent yet */
	/* incoming: it has been paused for their number as long as allowed, and no gateway has been sent one since */
	bool is_impatient;
	uint64_t stanzas_in, stanzas_out;
	UT_hash_handle hh; /* s2s->conns by id */
};

enum s2s_sources {
	S2S_CALLERS,
	S2S_QUESTIONERS, /* places of those who have not authenticated: streams, dialback questions */
	S2S_WORK,
	S2S_HANDSHAKES, /* work done for strangers; TLS handshakes with them */
	S2S_SOURCES
};

struct s2s {
	struct core *core;
	const struct s2s_user *user;
	void *user_data;
	const struct edge_config *config;
	struct xfed_tls_creds *creds;
	struct xfed_policy *policy; /* NULL: no policy yet */
	enum xfed_reason why_not;   /* why partners may not authenticate now; NONE: they may */
	bool is_leaving;
	struct rt_reach reach;
	struct xfed_buf scratch;

	uint64_t next_conn;
	struct s2s_conn *conns;
	size_t conn_count;
	size_t incoming, asking;   /* streams of partners; streams of ours for dialback questions */
	size_t dialled, answering; /* streams of ours for stanzas, with attempts at one; of these, those for answers alone */
	int64_t certs_due_s;	   /* when the first certificate of a live stream has to be judged again */
	uint64_t freed;		   /* streams that have ended, or freed their buffers as idle */
	struct rt_tidy tidy;
	struct s2s_probe *probes;

	struct s2s_pair *pairs;
	struct s2s_question *verdicts; /* not yet told to the streams that the keys came from */
	struct rt_post tell_verdicts;

	struct rt_sources sources[S2S_SOURCES];
	struct s2s_tally *tallies;
	struct s2s_newest *newest;
	struct s2s_standing_entry *standings, *standings_of[S2S_STANDING_KINDS]; /* all; by kind, the least recently used first */
	size_t standing_count[S2S_STANDING_KINDS];
	const char *unnamed; /* a cache for s2s_unnamed() */
	size_t unnamed_more;
	int64_t unnamed_since_s;
	int64_t trust_since_s;
	bool has_trusted; /* a partner was found trusted since then */
};

/* conn.c */
int s2s_conn_accept(struct s2s *s, struct rt_stream *stream);
/* Connects to an address of the pair. OK; after an error nothing was begun. */
int s2s_conn_dial(struct s2s_pair *p, const struct rt_addr *to);
void s2s_conn_close(struct s2s_conn *c, enum xfed_reason reason, const char *text);
/*
 * Writes a whole stanza to a stream that is READY; returns what xfed_s2s_send() does. `c` may no longer exist unless that is OK, TOO_LARGE
 * or AGAIN.
 */
int s2s_conn_write(struct s2s_conn *c, struct xfed_span stanza);
struct s2s_conn *s2s_conn_find(struct s2s *s, uint64_t id);
void s2s_conns_stop(struct s2s *s);

/* inbound.c: which peers may authenticate as whom, and send what */
void s2s_inbound_decide(struct s2s_conn *c, const struct xfed_s2s_action *act, struct xfed_s2s_decision *out);
void s2s_inbound_pair(struct s2s_conn *c, const struct xfed_s2s_action *act);
/* The stream has proved a pair, and is counted for the partner. False: the partner has all the streams it may have, and this one closes. */
bool s2s_inbound_proved(struct s2s_conn *c, const struct xfed_s2s_action *act);
/* True: the stanza was answered here, refused, or dropped by a rule. False: it is for a gateway, or the stream is being closed. */
bool s2s_inbound_stanza(struct s2s_conn *c, const struct xfed_s2s_action *act);

/* answer.c: errors to the senders of stanzas */
void s2s_refuse_stanza(struct s2s_conn *c, const struct xfed_s2s_action *act, enum xfed_reason reason);
/* Handles STANZA_REFUSED: the sender is told reason and limit, unless the stanza is of a kind that gets no answer. */
void s2s_refuse_users(struct s2s_conn *c, const struct xfed_s2s_action *act);
/* Answers a partner's stanza with an error, where one may be sent. */
void s2s_bounce(struct s2s *s, struct xfed_arena *a, const struct xfed_stanza *st, const struct xfed_stanza_error *err);

/* iq.c */
void s2s_iq(struct s2s_conn *c, const struct xfed_s2s_action *act);

/* policy.c: what the policy in force says of pairs and of live streams */
/* Whether a partner (NULL: not listed) may authenticate to us, or we to it, by this method for a domain of ours: NONE, or why not. */
enum xfed_reason s2s_policy_judge(
	const struct s2s *s, const struct xfed_partner *partner, struct xfed_span remote, struct xfed_span local, enum xfed_method method);
enum xfed_reason s2s_why_not(const struct s2s *s, struct xfed_span remote);	      /* the reason where s2s_partner() is NULL */
const struct xfed_partner *s2s_partner(const struct s2s *s, struct xfed_span remote); /* NULL: not listed, or no policy yet */
bool s2s_is_local(const struct s2s *s, struct xfed_span domain);

/* superseded.c: an older stream of a pair, once a newer one has come */
void s2s_newest_set(struct s2s_conn *c, struct xfed_span local, struct xfed_span remote);
void s2s_newest_drop(struct s2s_conn *c);
void s2s_newest_tick(struct s2s *s, uint64_t now_ms);

/* certs.c: the certificates of live streams, judged again */
/*
 * To be called once it is authenticated. False: its certificate is not valid, and it is closed. `before`: our credentials before a reload;
 * NULL: there was none.
 */
bool s2s_certs_hold(struct s2s_conn *c, const struct xfed_tls_creds *before);
/* judges all of them; for when trust or revocation lists may have changed */
void s2s_certs_judge(struct s2s *s, const struct xfed_tls_creds *before);
void s2s_certs_tick(struct s2s *s);
/* Who is to blame that a stream ended: where the cause is a certificate of ours that is not valid or does not name the domain, not the partner. */
enum xfed_side s2s_certs_side(const struct s2s *s, const struct xfed_s2s_info *info, const struct xfed_s2s_action *act);

/* failure.c: the steps an attempt went through, for the failure journal */
void s2s_steps_add(struct s2s_steps **list, uint64_t now_ms, const char *step, bool ok, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void s2s_steps_free(struct s2s_steps **list);
void s2s_steps_of_stream(struct s2s_steps **list, uint64_t now_ms, const struct xfed_s2s_info *info, enum xfed_reason reason, const char *text);
/* A likely cause of an end that came without an error, or NULL. */
const char *s2s_failure_suspicion(const struct s2s *s, const struct xfed_s2s_info *info, enum xfed_reason reason);
/* Reports a failure; its time and steps are filled in here. */
void s2s_failure_send(struct s2s *s, struct proto_failure *f, const struct s2s_steps *steps);

/* report.c: log lines, metrics and reports about streams */
void s2s_report_established(struct s2s_conn *c, const struct xfed_s2s_action *act);
void s2s_report_closed(struct s2s_conn *c, const struct xfed_s2s_action *act);
void s2s_report_pair_refused(struct s2s_conn *c, const struct xfed_s2s_action *act);
void s2s_stream_facts(const struct s2s_conn *c, struct s2s_stream *out);

/* certs.c; to be called when credentials or policy have changed */
void s2s_certs_name_ours(struct s2s *s);

/* fallback.c: streams of ours by dialback, where EXTERNAL had failed */
void s2s_fallback_opened(struct s2s_pair *p, const struct xfed_s2s_info *info);
/* To be called when the peer's chain has been judged again. `before`: our credentials before a reload; NULL: there was none. */
void s2s_fallback_judge(struct s2s_conn *c, const struct xfed_s2s_info *info, const struct xfed_tls_creds *before);
/* closes the stream and opens another, where nothing is under way on it. NOMEM, or OK, also where it stays */
int s2s_fallback_renew(struct s2s_pair *p);

/* standing.c */
void s2s_standing_failed(const struct s2s_pair *p, enum xfed_reason reason);
void s2s_standing_worked(const struct s2s_pair *p, enum xfed_reason why_not_external);
void s2s_standings_judge(struct s2s *s); /* forgets partners that policy no longer lists */
void s2s_standings_free(struct s2s *s);
void s2s_trust_loaded(struct s2s *s);
void s2s_trust_note(struct s2s *s, const struct xfed_s2s_info *info); /* notes whether the handshake of a stream found its peer trusted */

void s2s_probes_stop(struct s2s *s); /* probe.c */

#endif
