/* s2s: the room and its streams, as its own files see them. Pairs and items are in outbound.h, what is shared out in shares.h. */
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
/* Who names the partner of one. Each kind has its room, so that none pushes out those of another. */
enum s2s_standing_kind { S2S_STANDING_LISTED, S2S_STANDING_REACHED /* below a wildcard */, S2S_STANDING_MADE_UP, S2S_STANDING_KINDS };

struct s2s_conn {
	struct driver d; /* first */
	struct s2s *s2s;
	uint64_t id;
	enum xfed_s2s_direction direction;
	char address[RT_ADDR_TEXT];
	struct s2s_pair *pair;						/* out: whose stream this is */
	bool is_question;						/* out: for questions of dialback */
	bool is_established;						/* a place among the unproved is needed no more */
	bool has_refused;						/* in: a pair was refused, which has been told */
	bool has_served;						/* in: a db:verify was answered */
	bool has_decision, has_pair_decision, pair_is_local, is_saying; /* what is to be answered next */
	struct xfed_s2s_decision decision;
	struct xfed_buf say;			  /* an answer as authoritative server */
	uint64_t charged_work, charged_job;	  /* in: of the budget of its address; units of that for handshakes */
	struct s2s_steps *steps;		  /* in: until it is authenticated */
	struct s2s_newest *newest;		  /* in: set while this is the newest stream of its pair */
	uint64_t superseded_ms, superseded_bytes; /* a newer one came then, and so many bytes had come in here */
	struct s2s_tally *tally;		  /* in: the partner's count this stream is in; NULL: it has proved nothing yet */
	size_t parked_bytes, parked_count;	  /* in: of stanzas that no gateway has been sent yet */
	bool is_impatient;			  /* in: it was paused for their number for as long as may be, and nothing has been sent since */
	uint64_t stanzas_in, stanzas_out;
	UT_hash_handle hh; /* s2s->conns by id */
};

enum s2s_sources {
	S2S_CALLERS,
	S2S_QUESTIONERS, /* places of those who have proved nothing: streams, questions */
	S2S_WORK,
	S2S_HANDSHAKES, /* what strangers have had us do; the TLS of it */
	S2S_SOURCES
};

struct s2s {
	struct core *core;
	const struct s2s_user *user;
	void *user_data;
	const struct edge_config *config;
	struct xfed_tls_creds *creds;
	struct xfed_policy *policy; /* NULL: none yet */
	enum xfed_reason why_not;   /* streams of partners may not prove themselves now; NONE: they may */
	bool is_leaving;
	struct rt_reach reach;
	struct xfed_buf scratch;

	uint64_t next_conn;
	struct s2s_conn *conns;
	size_t conn_count;
	size_t incoming, asking;   /* streams of partners; of ours, those for questions of dialback */
	size_t dialled, answering; /* of ours, those for stanzas and attempts at one; of these, for answers to partners alone */
	int64_t certs_due_s;	   /* the first of the live streams' certificates is to be judged again */
	uint64_t freed;		   /* streams that have ended or fallen asleep */
	struct rt_tidy tidy;
	struct s2s_probe *probes;

	struct s2s_pair *pairs;
	struct s2s_question *verdicts; /* to be told to the streams they came from */
	struct rt_post tell_verdicts;

	struct rt_sources sources[S2S_SOURCES];
	struct s2s_tally *tallies;
	struct s2s_newest *newest;
	struct s2s_standing_entry *standings, *standings_of[S2S_STANDING_KINDS]; /* all; of each kind, in the order of their use */
	size_t standing_count[S2S_STANDING_KINDS];
	const char *unnamed; /* of the policy: s2s_unnamed() */
	size_t unnamed_more;
	int64_t unnamed_since_s;
	int64_t trust_since_s;
	bool has_trusted; /* a partner, since then */
};

/* conn.c */
int s2s_conn_accept(struct s2s *s, struct rt_stream *stream);
/* Connects to the pair's next endpoint. OK or an error; then nothing was begun. */
int s2s_conn_dial(struct s2s_pair *p, const struct rt_addr *to);
void s2s_conn_close(struct s2s_conn *c, enum xfed_reason reason, const char *text);
/* Writes a whole stanza to a stream that is READY; what xfed_s2s_send() returns. `c` may be gone unless it is OK, TOO_LARGE or AGAIN. */
int s2s_conn_write(struct s2s_conn *c, struct xfed_span stanza);
struct s2s_conn *s2s_conn_find(struct s2s *s, uint64_t id);
void s2s_conns_stop(struct s2s *s);

/* inbound.c: who may talk to whom */
void s2s_inbound_decide(struct s2s_conn *c, const struct xfed_s2s_action *act, struct xfed_s2s_decision *out);
void s2s_inbound_pair(struct s2s_conn *c, const struct xfed_s2s_action *act);
/* The stream has proved a pair: counted as the partner's. False: that has all it may have, and the stream closes. */
bool s2s_inbound_proved(struct s2s_conn *c, const struct xfed_s2s_action *act);
/* True: it was answered here, refused or dropped by rule. False: a gateway is to get it, or the stream closes over it. */
bool s2s_inbound_stanza(struct s2s_conn *c, const struct xfed_s2s_action *act);

/* answer.c: errors to the senders of stanzas */
void s2s_refuse_stanza(struct s2s_conn *c, const struct xfed_s2s_action *act, enum xfed_reason reason);
/* A STANZA_REFUSED: its sender hears the reason and the limit, unless it is one that gets no answer. */
void s2s_refuse_users(struct s2s_conn *c, const struct xfed_s2s_action *act);
/* Answers a stanza of a partner with an error where one may be sent. */
void s2s_bounce(struct s2s *s, struct xfed_arena *a, const struct xfed_stanza *st, const struct xfed_stanza_error *err);

/* iq.c */
void s2s_iq(struct s2s_conn *c, const struct xfed_s2s_action *act);

/* policy.c: what the policy in force says of pairs and of live streams */
/* Whether a partner (NULL: not listed) may have proved itself, or be shown who we are, by this method, for a domain of ours: NONE, or why not. */
enum xfed_reason s2s_policy_judge(
	const struct s2s *s, const struct xfed_partner *partner, struct xfed_span remote, struct xfed_span local, enum xfed_method method);
enum xfed_reason s2s_why_not(const struct s2s *s, struct xfed_span remote);	      /* where s2s_partner() is NULL */
const struct xfed_partner *s2s_partner(const struct s2s *s, struct xfed_span remote); /* NULL: not listed, or no policy yet */
bool s2s_is_local(const struct s2s *s, struct xfed_span domain);

/* superseded.c: a newer stream of a pair, and what becomes of the older */
void s2s_newest_set(struct s2s_conn *c, struct xfed_span local, struct xfed_span remote);
void s2s_newest_drop(struct s2s_conn *c);
void s2s_newest_tick(struct s2s *s, uint64_t now_ms);

/* certs.c: certificates of live streams, judged again */
/* Once it is authenticated; false: they do not, and it is closed. `before`: our credentials before a reload; NULL: there was none. */
bool s2s_certs_hold(struct s2s_conn *c, const struct xfed_tls_creds *before);
void s2s_certs_judge(struct s2s *s, const struct xfed_tls_creds *before); /* all of them: trust or revocation lists may have changed */
void s2s_certs_tick(struct s2s *s);
/* Who is at fault that a stream has ended: for a certificate of ours that proves nothing now, or none that names the domain, not the partner. */
enum xfed_side s2s_certs_side(const struct s2s *s, const struct xfed_s2s_info *info, const struct xfed_s2s_action *act);

/* failure.c: what an attempt went through, for whoever keeps failures */
void s2s_steps_add(struct s2s_steps **list, uint64_t now_ms, const char *step, bool ok, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void s2s_steps_free(struct s2s_steps **list);
void s2s_steps_of_stream(struct s2s_steps **list, uint64_t now_ms, const struct xfed_s2s_info *info, enum xfed_reason reason, const char *text);
/* What may be behind an end that says nothing of itself, or NULL. */
const char *s2s_failure_suspicion(const struct s2s *s, const struct xfed_s2s_info *info, enum xfed_reason reason);
/* Tells it; `f` without time and steps. */
void s2s_failure_send(struct s2s *s, struct proto_failure *f, const struct s2s_steps *steps);

/* report.c: log, metrics and what is told of streams */
void s2s_report_established(struct s2s_conn *c, const struct xfed_s2s_action *act);
void s2s_report_closed(struct s2s_conn *c, const struct xfed_s2s_action *act);
void s2s_report_pair_refused(struct s2s_conn *c, const struct xfed_s2s_action *act);
void s2s_stream_facts(const struct s2s_conn *c, struct s2s_stream *out);

/* certs.c, when credentials or policy are new */
void s2s_certs_name_ours(struct s2s *s);

/* fallback.c: streams of ours that dialback had to do for */
void s2s_fallback_opened(struct s2s_pair *p, const struct xfed_s2s_info *info);
/* The chain of its peer was judged again. `before`: our credentials before a reload; NULL: there was none. */
void s2s_fallback_judge(struct s2s_conn *c, const struct xfed_s2s_info *info, const struct xfed_tls_creds *before);
int s2s_fallback_renew(struct s2s_pair *p); /* closed and opened anew, where nothing is under way on it; OK, also where it stays, or NOMEM */

/* standing.c */
void s2s_standing_failed(const struct s2s_pair *p, enum xfed_reason reason);
void s2s_standing_worked(const struct s2s_pair *p, enum xfed_reason why_not_external);
void s2s_standings_judge(struct s2s *s); /* those of who is listed no more are forgotten */
void s2s_standings_free(struct s2s *s);
void s2s_trust_loaded(struct s2s *s);
void s2s_trust_note(struct s2s *s, const struct xfed_s2s_info *info); /* what the handshake of a stream has shown */

void s2s_probes_stop(struct s2s *s); /* probe.c */

#endif
