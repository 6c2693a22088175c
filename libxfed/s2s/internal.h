/* What the files of the s2s conductor share. See xfed/s2s.h for the contract. */
#ifndef XFED_S2S_INTERNAL_H
#define XFED_S2S_INTERNAL_H

#include "xfed/dialback.h"
#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/s2s.h"
#include "xfed/sasl.h"

/*
 * Stream management. Numbers are 64 bit; their lowest 32 bits go over the wire (XEP-0198 section 4). Stanzas go one way per stream, so
 * `received` and `covered` are used on incoming streams, `sent` and `acked` on ours.
 */
struct s2s_sm {
	bool is_offered;		/* out: in the last features */
	bool is_on;			/* in: <enabled/> was sent; out: <enable/> was sent and not refused */
	bool is_confirmed;		/* out: <enabled/> has come, so <r/> will be understood */
	bool is_waiting;		/* out: an answer to <enable/> or <r/> is awaited */
	bool owes_ack;			/* in: the last answer was less than `owed` */
	uint64_t asked_ms, answered_ms; /* out: when `is_waiting` changed */
	uint64_t asked_sent;		/* out: `sent` at the time of <r/> */
	uint64_t start, received, covered, owed, sent, acked;
	uint64_t told;		/* in: h of our last <a/> */
	uint64_t tell_ms;	/* in: when an <a/> is due without being asked for; 0: all that is covered was acknowledged */
	uint32_t wrong_h;	/* h of the peer, if it cannot be right */
	uint64_t *window;	/* in: which numbers above `covered` are covered, by number modulo XFED_S2S_SM_SPAN */
	struct xfed_buf joined; /* out: a stanza together with the <r/> after it */
};

/* Work the peer has caused; see meter.c. */
struct s2s_meter {
	uint64_t level, at_ms;
	uint64_t unproved; /* units before authentication */
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
	struct xfed_buf plain; /* decrypted, not read yet */
	struct xfed_tls *tls;
	struct xfed_tls_creds *creds;
	bool is_secure; /* handshake complete */
	bool job_running;
	bool end_waits; /* the socket closed while a job was running: END is processed after the job's result */
	enum xfed_reason end_reason;
	bool tls_starved; /* TLS has got everything from the socket */
	bool header_sent; /* on the present stream (cleared by restarts) */
	bool peer_closed; /* the peer's closing tag was read */
	bool peer_has_version;
	bool leans_on_certificate; /* the certificate has proved something, or is about to */
	bool has_external;	   /* SASL EXTERNAL has succeeded inside this TLS session */
	bool is_established;	   /* the present stream has been READY */
	bool external_offered;
	bool took_element; /* in this step: other streams have their turn before the next element */
	bool leftover;	   /* further bytes follow the element being processed, in the same input */

	char *local, *remote; /* normalised domains of the pair, NULL while unknown */
	char *stream_id;      /* out: complete, because dialback keys are made from it */
	char lang[36];	      /* xml:lang of the peer's header (RFC 5646 4.4.1); "": none */
	bool needs_tls, is_quiet;
	unsigned methods;
	size_t stanza_bytes;
	size_t peer_bytes; /* out: largest element the peer accepts, by its features; 0: it does not say */
	enum xfed_method method;
	enum xfed_reason cert_reason;
	enum xfed_reason why_not_external; /* out: why EXTERNAL failed where it was allowed, and dialback is used */
	struct xfed_sasl_server *sasl;
	bool is_verify;
	uint64_t connection;
	char dialback_hash[XFED_DIALBACK_HEX + 1]; /* wiped on free */
	struct xfed_dbrecv *dbrecv;		   /* in: pairs requested and proved on the present stream */
	struct xfed_dbinit *dbinit;		   /* out */
	struct xfed_dbverify *dbverify;		   /* out, verify streams */
	struct xfed_dialback_elem request;	   /* in: the db:result that waits for PAIR_DECISION */
	bool wants_pair;
	bool tried_external;
	bool has_features, offers_tls, offers_external, offers_dialback; /* out: in the peer's last features */
	bool is_host_unknown;						 /* the peer closed with that stream error */
	unsigned auth_tries;
	struct s2s_sm sm;
	struct s2s_meter meter;

	uint64_t opened_ms, established_ms, traffic_ms, stanza_ms, sent_ms, closing_ms;

	enum xfed_reason reason;
	enum xfed_side side;
	char text[192];
	char refusal[96];      /* text of the last STANZA_REFUSED */
	const char *condition; /* condition of the stream error, if the XML reader knows it better than the reason table */

	struct xfed_s2s_action *actions; /* XFED_S2S_ACTIONS_MAX; NULL while the stream hibernates */
	size_t action_head, action_count;
	bool has_closed, is_abrupt; /* CLOSED is to be given after all other actions */
};

#define S2S_BIT(state) (1u << XFED_S2S_##state)

/* A row of what a peer may send at the first level: when it is legal, and what to do. */
struct s2s_row {
	const char *ns, *name;			    /* name NULL: any */
	unsigned states;			    /* states in which it is legal; 0: any */
	bool (*is_legal)(const struct xfed_s2s *s); /* further condition; NULL: none */
	void (*proceed)(struct xfed_s2s *s, struct xfed_xml_elem *e);
};

/* legal.c */
enum s2s_outcome { S2S_FAULT, S2S_TAKE, S2S_IGNORE, S2S_REFUSE }; /* S2S_FAULT: what is not in the table */
enum s2s_outcome s2s_outcome_of(const struct xfed_s2s *s, enum xfed_s2s_event_type event);
bool s2s_may_follow(const struct xfed_s2s *s, enum xfed_s2s_state next);

/* conductor.c */
/* False: this state cannot follow, which is an internal error and has ended the stream. */
bool s2s_enter(struct xfed_s2s *s, enum xfed_s2s_state state);
struct xfed_s2s_action *s2s_push(struct xfed_s2s *s, enum xfed_s2s_action_type type);
void s2s_close(struct xfed_s2s *s, enum xfed_reason reason, const char *text);
void s2s_close_side(struct xfed_s2s *s, enum xfed_reason reason, enum xfed_side side, const char *text);
/* Nothing can be sent any more. */
void s2s_finish(struct xfed_s2s *s, bool is_abrupt); /* CLOSED follows, with the first reason that was noted */
void s2s_bye(struct xfed_s2s *s);		     /* the same after TLS close_notify, if TLS is in use */
void s2s_drop(struct xfed_s2s *s, enum xfed_reason reason, const char *text);
void s2s_fault(struct xfed_s2s *s, const char *what); /* an internal error: out of memory, or of a library */
int s2s_set_name(char **slot, struct xfed_span name);
void s2s_established(struct xfed_s2s *s, enum xfed_method method, struct xfed_span remote, struct xfed_span local);
bool s2s_restart(struct xfed_s2s *s); /* starts the stream anew on the same connection, RFC 6120 4.3.3; false: it has ended */
void s2s_forget(struct xfed_s2s *s);  /* forgets all that was said and proved on this connection */
bool s2s_is_over(const struct xfed_s2s *s);
int s2s_set_stream_id(struct xfed_s2s *s, struct xfed_span id);

void s2s_fall_asleep(struct xfed_s2s *s); /* at the end of a step, when there are no actions */
const char *s2s_state_name(const struct xfed_s2s *s);
extern const char *const s2s_state_names[XFED_S2S_DONE + 1]; /* words.c */

/* elements.c */
bool s2s_takes_last(const struct xfed_s2s *s); /* we close because it is idle or we go out of service: stanzas that still come are accepted */
/* Feeds the reader up to its next stop. Returns the bytes it took. */
size_t s2s_read_xml(struct xfed_s2s *s, struct xfed_span in);

/* meter.c; false: the limit is exceeded, and the stream has been closed */
bool s2s_meter_element(struct xfed_s2s *s, const struct xfed_xml_elem *e); /* charges a header, or an element that is no stanza */
bool s2s_meter_bytes(struct xfed_s2s *s, size_t count);
void s2s_meter_stanza(struct xfed_s2s *s);					    /* a stanza in either direction */
void s2s_meter_question(struct xfed_s2s *s, const struct xfed_dialback_pair *pair); /* a question of ours on a verify stream */

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
bool s2s_tls_read(struct xfed_s2s *s); /* true: there is more plaintext */
void s2s_tls_flush(struct xfed_s2s *s);
enum xfed_reason s2s_judge_certificate(const struct xfed_s2s *s, struct xfed_span domain);
void s2s_refuse_certificate(struct xfed_s2s *s); /* closes with `cert_reason`, and says in words what is wrong */

/* dialback.c */
void s2s_dialback_drain(struct xfed_s2s *s);
void s2s_dialback_result_in(struct xfed_s2s *s, struct xfed_xml_elem *e);
void s2s_dialback_verify_in(struct xfed_s2s *s, struct xfed_xml_elem *e);
void s2s_dialback_pair_decided(struct xfed_s2s *s, const struct xfed_s2s_event *ev);
void s2s_dialback_verdict(struct xfed_s2s *s, const struct xfed_s2s_event *ev);
void s2s_dialback_start(struct xfed_s2s *s);	   /* out: sends db:result */
void s2s_dialback_open_verify(struct xfed_s2s *s); /* out: the stream is ready for db:verify */
void s2s_dialback_ask(struct xfed_s2s *s, const struct xfed_s2s_event *ev);
/* gives a verdict at once, because it cannot be asked here */
void s2s_dialback_refuse(struct xfed_s2s *s, const struct xfed_s2s_question *q, enum xfed_dialback_verdict verdict);
void s2s_dialback_answer(struct xfed_s2s *s, struct xfed_xml_elem *e); /* out: db:result or db:verify with a type */
void s2s_dialback_tick(struct xfed_s2s *s);
void s2s_dialback_end(struct xfed_s2s *s);
uint64_t s2s_dialback_deadline(const struct xfed_s2s *s);
void s2s_dialback_reset(struct xfed_s2s *s); /* after a restart the stream has another id, so questions on the old one are void */
bool s2s_dialback_is_proved(const struct xfed_s2s *s, struct xfed_span remote, struct xfed_span local);

/* sm.c: stream management */
void s2s_sm_init(struct xfed_s2s *s, uint32_t start);
void s2s_sm_deinit(struct xfed_s2s *s);
/* ---- on incoming streams */
void s2s_sm_enable(struct xfed_s2s *s, struct xfed_xml_elem *e);
void s2s_sm_resume(struct xfed_s2s *s, struct xfed_xml_elem *e);
bool s2s_sm_number(struct xfed_s2s *s, uint64_t *number); /* the number of the stanza just read; false: too many, and the stream closes */
void s2s_sm_farewell(struct xfed_s2s *s);		  /* sends the last <a/>, before we close */
/* ---- on outgoing streams */
void s2s_sm_start(struct xfed_s2s *s);
bool s2s_sm_may_answer(const struct xfed_s2s *s);
void s2s_sm_enabled(struct xfed_s2s *s, struct xfed_xml_elem *e);
void s2s_sm_failed(struct xfed_s2s *s, struct xfed_xml_elem *e);
bool s2s_sm_is_full(const struct xfed_s2s *s);
void s2s_sm_send(struct xfed_s2s *s, struct xfed_span stanza);
/* ---- on both */
bool s2s_sm_is_on(const struct xfed_s2s *s);
void s2s_sm_asked(struct xfed_s2s *s, struct xfed_xml_elem *e);	    /* for <r/> */
void s2s_sm_acked(struct xfed_s2s *s, struct xfed_xml_elem *e);	    /* for <a/> */
void s2s_sm_take_last(struct xfed_s2s *s, struct xfed_xml_elem *e); /* for an element after our closing tag */
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
