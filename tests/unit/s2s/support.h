/*
 * One conductor on the stub TLS, driven like a daemon drives it; what it does becomes text. A model follows along what was
 * proved on the present stream, and every action is held against the security sentence of xfed/s2s.h.
 */
#ifndef TESTS_UNIT_S2S_SUPPORT_H
#define TESTS_UNIT_S2S_SUPPORT_H

#include "stub_tls.h"
#include "xfed/dialback.h"
#include "xfed/s2s.h"

/* A key that is being verified elsewhere. */
struct rig_ask {
	uint64_t token;
	char sender[256], target[256], stream_id[64];
};

#define RIG_ASKS 64

struct rig_model {
	char pairs[16384];	       /* "[from to]" of each ESTABLISHED of the present stream */
	char proofs[16384];	       /* ... of each pair that was proved by verdict or certificate */
	struct rig_ask asks[RIG_ASKS]; /* of the present stream, in turn */
	size_t ask_count;
	char requested[600]; /* "[from to]" of the last PAIR */
	char requested_from[256];
	const char *state;	     /* entered last */
	unsigned allowed;	     /* methods of the decisions that were fed */
	bool has_login;		     /* SASL has succeeded inside this TLS session */
	unsigned step, closing_step; /* closing_step: of our closing tag; 0: not yet */
	bool may_speak;		     /* in this step */
	bool is_friendly;	     /* closed so that the peer's last stanzas count */
};

struct rig {
	struct xfed_env env;
	struct xfed_buf out;
	struct xfed_tls_creds *creds;
	struct xfed_s2s *s2s;
	struct xfed_s2s_decision decision; /* what HEADER is answered with */
	char actions[8192];
	struct rig_model model;
	uint64_t now_ms;
	bool is_over, was_established;
	enum xfed_reason closed;   /* why, once it is over */
	unsigned stanzas, refused; /* refused ones are among the stanzas */
	char refusal[128];	   /* text of the last one refused */
	size_t chunk;		   /* bytes offered at once; 0: all */
	unsigned methods;	   /* set before rig_up(); 0: EXTERNAL */
	bool tls_optional, is_verify, is_quiet;
	uint32_t sm_start;		  /* set before rig_up() */
	size_t stanza_bytes;		  /* the partner's limit; set before rig_up(), 0: the default */
	uint64_t last_number;		  /* of a counted STANZA: they come without gaps */
	uint64_t acked;			  /* sum of ACKED */
	char hash[XFED_DIALBACK_HEX + 1]; /* of the secret "s3cr3tf0rd14lb4ck" */
	struct rig_ask asked;		  /* by the last ASK_VERIFY */
	bool is_new, defers;		  /* set before rig_up(): START is not given; HEADER, PAIR and JOB are not answered */
	struct xfed_tls *job;		  /* the last JOB */
	struct xfed_buf say;
};

/* False where memory is short (the failing-allocation sweep). */
bool rig_up(struct rig *r, enum xfed_s2s_direction direction);
void rig_down(struct rig *r);
void rig_event(struct rig *r, struct xfed_s2s_event *ev);
/* VERDICT for the last ASK_VERIFY. */
struct xfed_s2s_event rig_verdict(const struct rig *r, enum xfed_dialback_verdict verdict);
void rig_receive(struct rig *r, struct xfed_span bytes);
/* Reads and forgets the action text. */
const char *rig_take_actions(struct rig *r, char *to, size_t size);

#define HEADER_FROM_PARTNER                                                                                                                          \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "                                 \
	"xmlns:db='jabber:server:dialback' from='partner.example' to='corp.example' version='1.0'>"
#define HEADER_ANSWER                                                                                                                                \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "                                 \
	"xmlns:db='jabber:server:dialback' from='partner.example' to='corp.example' id='x1' version='1.0'>"
#define STARTTLS     "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define PROCEED	     "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define AUTH	     "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
#define FEATURES_TLS "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
#define FEATURES_EXTERNAL                                                                                                                            \
	"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"                         \
	"</stream:features>"
#define SASL_SUCCESS "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
#define MESSAGE(id)  "<message from='alice@partner.example/r' to='dave@corp.example' id='" id "'><body>hi</body></message>"

#endif
