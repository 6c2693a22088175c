/*
 * Partner policy as data, and decisions on it: pure, with a reason for every refusal. A snapshot is immutable once built; the daemons
 * replace it as a whole. Look-ups are hashed: the exact name first, then the longest wildcard suffix.
 */
#ifndef XFED_POLICY_H
#define XFED_POLICY_H

#include "xfed/base.h"
#include "xfed/reason.h"

enum xfed_partner_type { XFED_PARTNER_FEDERATED, XFED_PARTNER_PUBLIC_VERIFIED, XFED_PARTNER_PUBLIC_UNVERIFIED };
enum xfed_level { XFED_REQUIRED, XFED_OPTIONAL, XFED_NOT_SUPPORTED };
enum xfed_kind_bits { XFED_KIND_MESSAGE = 1, XFED_KIND_PRESENCE = 2, XFED_KIND_IQ = 4 };
enum xfed_dane { XFED_DANE_OFF, XFED_DANE_ON };

/* Authentication methods, best first; bits, so that a set of them is a number. */
enum xfed_method { XFED_METHOD_EXTERNAL = 1, XFED_METHOD_DIALBACK_TLS = 2, XFED_METHOD_DIALBACK_PLAIN = 4 };
const char *xfed_method_name(enum xfed_method m); /* "external", "dialback-tls", "dialback-plain" */

struct xfed_partner {
	const char *domain;	       /* normalised U-labels */
	const char *description;       /* or NULL */
	const char *const *additional; /* exact, or "*.domain" */
	size_t additional_count;
	enum xfed_partner_type type;
	enum xfed_level tls, sasl;
	bool dialback;
	const char *connect_host; /* NULL: use SRV */
	uint16_t connect_port;
	bool keepalive;
	uint32_t max_connections, stanzas_per_second, stanza_bytes;
	unsigned kinds;	  /* 0: its names are refused, see xfed_policy_refuse(), or it is disabled */
	bool is_disabled; /* listed, and nothing is exchanged (policy.partner.disabled), whatever the rest says */
	enum xfed_dane dane;
	const char *trust_ca_pem; /* PEM text; NULL: the edge's own trust.ca */
	const char *const *pins;  /* SHA-256 of the SPKI in lower-case hexadecimal */
	size_t pin_count;
};

/* ---- the negotiation matrix: 18 rows, as xfed reads them ---- */
struct xfed_matrix_row {
	int number; /* 1..18, in the order of the Lync table */
	enum xfed_level tls, sasl;
	bool dialback;
	unsigned methods;    /* bits of xfed_method; 0: invalid */
	const char *problem; /* why it is invalid, or what to warn of; NULL: neither */
};
const struct xfed_matrix_row *xfed_matrix_row(enum xfed_level tls, enum xfed_level sasl, bool dialback); /* never NULL */
bool xfed_partner_is_served(const struct xfed_partner *p);						 /* neither refused nor disabled */
/* TLS is needed before anything else is done with this partner. */
bool xfed_partner_needs_tls(const struct xfed_partner *p);
unsigned xfed_partner_methods(const struct xfed_partner *p);
/* Why it may not log in by that method (0: not yet): sasl.required.missing, dialback.not-allowed, or NONE. */
enum xfed_reason xfed_partner_judge(const struct xfed_partner *p, unsigned method);

/* ---- snapshots ---- */
struct xfed_policy;

struct xfed_policy_error {
	enum xfed_reason reason;
	const char *key; /* the key in the partner's file; NULL: its domain, or none */
	char text[256];	 /* "fabrikam.example and contoso.example both claim it.example" */
};

/*
 * Builder: add partners and local domains (deep copies) in any order; afterwards the snapshot is only read. INVALID comes with a reason and
 * a sentence in `err` (which may be NULL), and leaves the names as they were. It means: a domain is not in the form of xfed_jid_domain(), a
 * matrix row has no methods (config.matrix.invalid), a limit is out of range (connections 1 to XFED_CONNECTIONS_MAX, stanzas_per_second 1
 * to 1000000, stanza_bytes XFED_STANZA_BYTES_MIN to _MAX), a name is claimed twice, or a partner's name is a local domain. A row with a
 * warning is accepted; see xfed_matrix_row() for it.
 */
int xfed_policy_new(struct xfed_policy **out);
void xfed_policy_free(struct xfed_policy *p);
int xfed_policy_add_partner(struct xfed_policy *p, const struct xfed_partner *partner, struct xfed_policy_error *err); /* OK, INVALID, NOMEM */
int xfed_policy_add_local(struct xfed_policy *p, struct xfed_span domain, struct xfed_policy_error *err);
/*
 * Refuses a name from a file that cannot be loaded ("*.domain": everything below it, unless a longer name says otherwise), whoever else has
 * it: a partner loses one of its additional names, or with its domain all of them. To be called when all partners have been added. In the
 * snapshot it is a partner without kinds, which edges of older versions do not serve either. Local domains are not affected. OK, NOMEM;
 * INVALID (no such name, too many, or a wildcard that is too long): wildcards that cover it are removed, so that it is not served either.
 */
int xfed_policy_refuse(struct xfed_policy *p, const char *name, struct xfed_policy_error *err);
void xfed_policy_refuse_all(struct xfed_policy *p); /* refuses every name of every partner */
/* Hashes of the current and previous dialback secret, 64 hexadecimal characters each; may be empty. Wiped on free. */
int xfed_policy_set_dialback(struct xfed_policy *p, struct xfed_span current, struct xfed_span previous);

/*
 * A snapshot as canonical bytes, independent of the order of adding, and back; invalid bytes give INVALID. They contain the dialback
 * secret: wipe the buffer. encode: OK; after LIMIT and NOMEM the buffer is unchanged.
 */
struct xfed_buf;
int xfed_policy_encode(const struct xfed_policy *p, struct xfed_buf *out);
int xfed_policy_decode(struct xfed_span in, struct xfed_policy **out, struct xfed_policy_error *err);

/*
 * NULL: not listed, refused, or disabled. The exact name comes first, then the longest wildcard, which covers any depth below its domain, not the
 * domain itself, and never a local domain. `additional` and `pins` are sorted.
 */
const struct xfed_partner *xfed_policy_partner(const struct xfed_policy *p, struct xfed_span domain);
/* The same, but also one that is refused or disabled. */
const struct xfed_partner *xfed_policy_owner(const struct xfed_policy *p, struct xfed_span domain);
/* Whether the partner's file has the exact name, not only a wildcard that covers it. */
bool xfed_policy_names(const struct xfed_policy *p, struct xfed_span domain);
/* the reason where xfed_policy_partner() is NULL: policy.partner.* */
enum xfed_reason xfed_policy_why_not(const struct xfed_policy *p, struct xfed_span domain);
/*
 * Whether a stream between these two may be there, logged in by that method (0: not yet): policy.partner.*, stream.to.unknown,
 * sasl.required.missing, dialback.not-allowed, or NONE.
 */
enum xfed_reason xfed_policy_judge(const struct xfed_policy *p, struct xfed_span remote, struct xfed_span local, unsigned method);
bool xfed_policy_is_local(const struct xfed_policy *p, struct xfed_span domain);
size_t xfed_policy_good_count(const struct xfed_policy *p);				  /* partners that are served */
size_t xfed_policy_partner_count(const struct xfed_policy *p);				  /* all */
const struct xfed_partner *xfed_policy_partner_at(const struct xfed_policy *p, size_t i); /* sorted by domain, with those refused */
size_t xfed_policy_local_count(const struct xfed_policy *p);
const char *xfed_policy_local_at(const struct xfed_policy *p, size_t i);
struct xfed_span xfed_policy_dialback_current(const struct xfed_policy *p);
struct xfed_span xfed_policy_dialback_previous(const struct xfed_policy *p);

#endif
