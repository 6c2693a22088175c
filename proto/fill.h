/*
 * Fills messages of the channel with facts of certificates, steps and texts. These come from peers and may have any length; a message
 * filled in here always passes proto/check.h. Allocates nothing.
 */
#ifndef PROTO_FILL_H
#define PROTO_FILL_H

#include "proto/check.h"
#include "xfed/cert.h"
#include "xfed/reason.h"

#define PROTO_FILL_STEPS      24
#define PROTO_FILL_STEP_BYTES 160
#define PROTO_FILL_NAME_BYTES 256 /* a longer name in a certificate is left out: it cannot be a domain */

struct proto_fill_certificate {
	Xfed__Certificate m;
	char subject[512], issuer[512]; /* cut to what an operator reads */
	char serial[PROTO_NAME_BYTES + 1], sha256[PROTO_WORD_BYTES + 1];
	char *names[PROTO_CERT_NAMES_MAX];
};
/* `out` borrows the names from `f`. */
void proto_fill_certificate(struct proto_fill_certificate *out, const struct xfed_cert_facts *f);

/* A step of an attempt; at most PROTO_FILL_STEPS, later ones are left out. */
struct proto_fill_step {
	uint32_t at_ms;
	const char *step;
	bool ok;
	const char *detail;
};

/* A failed attempt; texts are NULL if unknown. */
struct proto_failure {
	int64_t at_s;
	Xfed__Direction direction;
	const char *local, *remote, *text, *address;
	enum xfed_reason reason;
	enum xfed_side side;
	const struct proto_fill_step *steps;
	size_t step_count;
	const struct xfed_cert_facts *cert; /* the peer's certificate, or NULL */
};

struct proto_fill_failure {
	Xfed__Frame frame;
	Xfed__FailureEvent m;
	char local[1024], remote[1024], text[256], address[PROTO_WORD_BYTES];
	struct {
		Xfed__Step m;
		char step[PROTO_WORD_BYTES + 1], detail[PROTO_FILL_STEP_BYTES];
	} steps[PROTO_FILL_STEPS];
	Xfed__Step *step_list[PROTO_FILL_STEPS];
	struct proto_fill_certificate cert;
	Xfed__Certificate *chain[1];
};
void proto_fill_failure(struct proto_fill_failure *out, const struct proto_failure *f);

/*
 * A message that breaks the limits all the same is a mistake of ours, and the peer should get what can be sent: the same message without
 * what can be left out. It is in `out`; NULL: nothing of it can be sent. Borrows from `f`.
 */
struct proto_bare {
	Xfed__Frame frame;
	union {
		Xfed__FailureEvent failure;
		Xfed__StreamEvent stream;
		Xfed__Reply reply;
		Xfed__PolicyResult result;
		struct {
			Xfed__Settled m;
			Xfed__Outcome outcomes[PROTO_OUTCOMES_MAX], *list[PROTO_OUTCOMES_MAX];
		} settled;
	};
};
const Xfed__Frame *proto_bare(struct proto_bare *out, const Xfed__Frame *f);

#endif
