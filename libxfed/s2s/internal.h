/* What the files of the s2s conductor share. See xfed/s2s.h for the contract. */
#ifndef XFED_S2S_INTERNAL_H
#define XFED_S2S_INTERNAL_H

#include "xfed/dialback.h"
#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/s2s.h"
#include "xfed/sasl.h"

/*
 * Stream management. Numbers count on; what goes over the wire is their lowest 32 bits (XEP-0198 section 4). Stanzas run one
 * way only, so `received` and `covered` move on incoming streams, `sent` and `acked` on ours.
 */
struct s2s_sm {
	bool is_offered;		/* out: among the features seen last */
	bool is_on;			/* in: <enabled/> is out; out: <enable/> is out and was not refused */
	bool is_confirmed;		/* out: <enabled/> has come, <r/> will be understood */
	bool is_waiting;		/* out: for <enabled/>, or for the answer to <r/> */
	bool owes_ack;			/* in: what was answered last is behind `owed` */
	uint64_t asked_ms, answered_ms; /* out: when `is_waiting` changed */
	uint64_t asked_sent;		/* out: `sent` when <r/> went out */
	uint64_t start, received, covered, owed, sent, acked;
	uint64_t told;		/* in: h of our last <a/> */
	uint64_t tell_ms;	/* in: the next one is due then, unasked; 0: all that is covered has been told */
	uint32_t wrong_h;	/* what the peer said last, where it cannot be */
	uint64_t *window;	/* in: which numbers above `covered` are covered, by number modulo XFED_S2S_SM_SPAN */
	struct xfed_buf joined; /* out: a stanza and the <r/> behind it */
};

/* How much the peer has had us do; see meter.c. */
struct s2s_meter {
	uint64_t level, at_ms;
	uint64_t unproved; /* units so far, before anything was proved */
	size_t bytes;
};

struct xfed_s2s {
	const struct xfed_env *env;
	enum xfed_s2s_direction direction;
	enum xfed_s2s_state state;
	unsigned divisor;
	uint64_t establish_ms, inactivity_ms;
	uint64_t now_ms;

	struct xfed_buf *out;
	struct xfed_xml_reader *reader;
	struct xfed_buf plain; /* decrypted, not yet read */
	struct xfed_tls *tls;
	struct xfed_tls_creds *creds;
	bool is_secure; /* handshake complete */
	bool job_running;
	bool end_waits; /* the socket ended while a job ran: END comes behind what the job found */
	enum xfed_reason end_reason;
	bool tls_starved; /* TLS has seen everything the socket gave */
	bool header_sent; /* on the present stream (restarts clear it) */
	bool peer_closed; /* the peer's closing tag was read */
	bool peer_has_version;
	bool leans_on_certificate; /* what it has proved, or is about to */
	bool has_external;	   /* SASL EXTERNAL has succeeded inside this TLS session */
	bool is_established;	   /* the present stream has been READY */
	bool external_offered;
	bool took_element; /* in this step: the others have their part before the next one */
	bool leftover;	   /* more bytes follow the element being handled, in the same input */

	char *local, *remote; /* normalised domains of the pair, NULL while unknown */
	char *stream_id;      /* out: as the peer gave it, whole: dialback keys are made of it */
	char lang[36];	      /* xml:lang of the peer's header (RFC 5646 4.4.1); "": none */
	bool needs_tls;
	unsigned methods;
	size_t stanza_bytes;
	size_t peer_bytes; /* out: most the peer takes of one element, by its features; 0: it does not say */
	enum xfed_method method;
	enum xfed_reason cert_reason;
	enum xfed_reason why_not_external; /* out: EXTERNAL is allowed, and dialback has to do */
	struct xfed_sasl_server *sasl;
	bool is_verify;
	uint64_t connection;
	char dialback_hash[XFED_DIALBACK_HEX + 1]; /* wiped on free */
	struct xfed_dbrecv *dbrecv;		   /* in: the pairs asked for and proved on the present stream */
	struct xfed_dbinit *dbinit;		   /* out */
	struct xfed_dbverify *dbverify;		   /* out, verify streams */
	struct xfed_dialback_elem request;	   /* in: the db:result that waits for PAIR_DECISION */
	bool wants_pair;
	bool tried_external;
	bool has_features, offers_tls, offers_external, offers_dialback; /* out: what the peer said last */
	bool is_host_unknown;						 /* the peer closed with that stream error */
	unsigned auth_tries;
	struct s2s_sm sm;
	struct s2s_meter meter;

	uint64_t opened_ms, established_ms, traffic_ms, stanza_ms, sent_ms, closing_ms;

	enum xfed_reason reason;
	enum xfed_side side;
	char text[192];
	char refusal[96];      /* text of the last STANZA_REFUSED */
	const char *condition; /* of the stream error, where the XML reader knows it better than the reason table */

	struct xfed_s2s_action *actions; /* XFED_S2S_ACTIONS_MAX; NULL while the stream hibernates */
	size_t action_head, action_count;
	bool has_closed, is_abrupt; /* CLOSED is due when everything else has been given out */
};

#define S2S_BIT(state) (1u << XFED_S2S_##state)

/* One row of what a peer may send at the first level: is it legal now, and what to do then. */
struct s2s_row {
	const char *ns, *name;			    /* name NULL: any */
	unsigned states;			    /* it is legal in these; 0: in any */
	bool (*is_legal)(const struct xfed_s2s *s); /* what else has to hold; NULL: nothing */
	void (*proceed)(struct xfed_s2s *s, struct xfed_xml_elem *e);
};

/* legal.c */
enum s2s_outcome { S2S_FAULT, S2S_TAKE, S2S_IGNORE, S2S_REFUSE }; /* what is not in the table is a fault */
enum s2s_outcome s2s_outcome_of(const struct xfed_s2s *s, enum xfed_s2s_event_type event);
bool s2s_may_follow(const struct xfed_s2s *s, enum xfed_s2s_state next);

/* conductor.c */
/* False: this state cannot follow, which is a fault of ours and has ended the stream. */
bool s2s_enter(struct xfed_s2s *s, enum xfed_s2s_state state);
struct xfed_s2s_action *s2s_push(struct xfed_s2s *s, enum xfed_s2s_action_type type);
void s2s_close(struct xfed_s2s *s, enum xfed_reason reason, const char *text);
void s2s_close_side(struct xfed_s2s *s, enum xfed_reason reason, enum xfed_side side, const char *text);
/* The socket is of no more use: nothing is said to the peer. */
void s2s_finish(struct xfed_s2s *s, bool is_abrupt); /* CLOSED follows, for the first reason that was remembered */
void s2s_bye(struct xfed_s2s *s);		     /* the same behind TLS's own goodbye, where it runs */
void s2s_drop(struct xfed_s2s *s, enum xfed_reason reason, const char *text);
void s2s_fault(struct xfed_s2s *s, const char *what); /* ours: out of memory or a library */
int s2s_set_name(char **slot, struct xfed_span name);
void s2s_established(struct xfed_s2s *s, enum xfed_method method, struct xfed_span remote, struct xfed_span local);
bool s2s_restart(struct xfed_s2s *s); /* a fresh stream on the same connection, RFC 6120 4.3.3; false: it has ended */
void s2s_forget(struct xfed_s2s *s);  /* all that was said and proved on this connection */
bool s2s_is_over(const struct xfed_s2s *s);
int s2s_set_stream_id(struct xfed_s2s *s, struct xfed_span id);

void s2s_fall_asleep(struct xfed_s2s *s); /* last thing in a step, without actions */
const char *s2s_state_name(const struct xfed_s2s *s);
extern const char *const s2s_state_names[XFED_S2S_DONE + 1]; /* words.c */

/* elements.c */
bool s2s_takes_last(const struct xfed_s2s *s); /* we close for idleness or to go out of service: stanzas still on their way count */
/* Feeds the reader up to its next stop. Returns the bytes it took. */
size_t s2s_read_xml(struct xfed_s2s *s, struct xfed_span in);

/* meter.c; false: it was too much, and the stream has been closed */
bool s2s_meter_element(struct xfed_s2s *s, const struct xfed_xml_elem *e); /* a header, or an element that is no stanza */
bool s2s_meter_bytes(struct xfed_s2s *s, size_t count);
void s2s_meter_stanza(struct xfed_s2s *s);
void s2s_meter_question(struct xfed_s2s *s, const struct xfed_dialback_pair *pair); /* of ours, on a verify stream */ /* taken or sent */

/* clock.c */
bool s2s_is_in_use(const struct xfed_s2s *s); /* READY, or VERIFYING */
void s2s_take_tick(struct xfed_s2s *s);

/* output.c: what we write */
void s2s_send_bytes(struct xfed_s2s *s, struct xfed_span bytes);
void s2s_send_str(struct xfed_s2s *s, const char *text);
void s2s_send_header(struct xfed_s2s *s);
void s2s_send_error(struct xfed_s2s *s, const char *condition, enum xfed_reason reason, const char *text);
void s2s_send_elem(struct xfed_s2s *s, const struct xfed_xml_elem *e);

/* secure.c: TLS */
void s2s_tls_start(struct xfed_s2s *s);
void s2s_tls_take(struct xfed_s2s *s, struct xfed_s2s_event *ev);
void s2s_tls_job_done(struct xfed_s2s *s, enum xfed_tls_result result);
bool s2s_tls_read(struct xfed_s2s *s); /* true: plaintext was added */
void s2s_tls_flush(struct xfed_s2s *s);
enum xfed_reason s2s_judge_certificate(const struct xfed_s2s *s, struct xfed_span domain);
void s2s_refuse_certificate(struct xfed_s2s *s); /* closes for `cert_reason`, with what is wrong in words */

/* dialback.c */
void s2s_dialback_drain(struct xfed_s2s *s);
void s2s_dialback_result_in(struct xfed_s2s *s, struct xfed_xml_elem *e);
void s2s_dialback_verify_in(struct xfed_s2s *s, struct xfed_xml_elem *e);
void s2s_dialback_pair_decided(struct xfed_s2s *s, const struct xfed_s2s_event *ev);
void s2s_dialback_verdict(struct xfed_s2s *s, const struct xfed_s2s_event *ev);
void s2s_dialback_start(struct xfed_s2s *s);	   /* out: db:result */
void s2s_dialback_open_verify(struct xfed_s2s *s); /* out: the stream is good for db:verify */
void s2s_dialback_ask(struct xfed_s2s *s, const struct xfed_s2s_event *ev);
void s2s_dialback_refuse(struct xfed_s2s *s, const struct xfed_s2s_question *q, enum xfed_dialback_verdict verdict); /* it cannot be asked here */
void s2s_dialback_answer(struct xfed_s2s *s, struct xfed_xml_elem *e); /* out: db:result or db:verify with a type */
void s2s_dialback_tick(struct xfed_s2s *s);
void s2s_dialback_end(struct xfed_s2s *s);
uint64_t s2s_dialback_deadline(const struct xfed_s2s *s);
void s2s_dialback_reset(struct xfed_s2s *s); /* a restarted stream has another id: what was asked on the old one is void */
bool s2s_dialback_is_proved(const struct xfed_s2s *s, struct xfed_span remote, struct xfed_span local);

/* sm.c: stream management */
void s2s_sm_init(struct xfed_s2s *s, uint32_t start);
void s2s_sm_deinit(struct xfed_s2s *s);
/* in: */
void s2s_sm_enable(struct xfed_s2s *s, struct xfed_xml_elem *e);
void s2s_sm_resume(struct xfed_s2s *s, struct xfed_xml_elem *e);
bool s2s_sm_number(struct xfed_s2s *s, uint64_t *number); /* of the stanza just read; false: too many, the stream closes */
void s2s_sm_farewell(struct xfed_s2s *s);		  /* the last <a/>, before we close */
/* out: */
void s2s_sm_start(struct xfed_s2s *s);
bool s2s_sm_may_answer(const struct xfed_s2s *s);
void s2s_sm_enabled(struct xfed_s2s *s, struct xfed_xml_elem *e);
void s2s_sm_failed(struct xfed_s2s *s, struct xfed_xml_elem *e);
bool s2s_sm_is_full(const struct xfed_s2s *s);
void s2s_sm_send(struct xfed_s2s *s, struct xfed_span stanza);
/* both: */
bool s2s_sm_is_on(const struct xfed_s2s *s);
void s2s_sm_asked(struct xfed_s2s *s, struct xfed_xml_elem *e);	    /* <r/> */
void s2s_sm_acked(struct xfed_s2s *s, struct xfed_xml_elem *e);	    /* <a/> */
void s2s_sm_take_last(struct xfed_s2s *s, struct xfed_xml_elem *e); /* an element behind our closing tag */
uint64_t s2s_sm_deadline(const struct xfed_s2s *s);
void s2s_sm_tick(struct xfed_s2s *s);

/* inbound.c, outbound.c */
void s2s_in_header(struct xfed_s2s *s, const struct xfed_xml_elem *root);
void s2s_in_decision(struct xfed_s2s *s, const struct xfed_s2s_decision *d);
extern const struct s2s_row s2s_in_rows[];
void s2s_out_header(struct xfed_s2s *s, const struct xfed_xml_elem *root);
extern const struct s2s_row s2s_out_rows[];
void s2s_received_error(struct xfed_s2s *s, struct xfed_xml_elem *e);
/* A whole number without sign of at most so many digits. */
bool s2s_read_number(struct xfed_span s, size_t digits, uint64_t *out);

#endif
