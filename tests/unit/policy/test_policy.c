/* The matrix row by row, snapshots, look-ups and the canonical encoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "xfed/buf.h"
#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/policy.h"

#define HASH_A	   "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
#define HASH_UPPER "AAaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
#define HASH_B	   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- the matrix ---- */

static void matrix(void **state)
{
	enum { R = XFED_REQUIRED, O = XFED_OPTIONAL, N = XFED_NOT_SUPPORTED };
	enum { EXT = XFED_METHOD_EXTERNAL, DT = XFED_METHOD_DIALBACK_TLS, DP = XFED_METHOD_DIALBACK_PLAIN };
	static const struct {
		int number, tls, sasl, dialback;
		unsigned methods;
		bool has_problem, needs_tls;
	} rows[] = {
		{ 1, R, R, 1, EXT, true, true }, /* dialback never runs */
		{ 2, R, R, 0, EXT, false, true },
		{ 3, O, R, 1, EXT, true, true }, /* required means required: no dialback */
		{ 4, O, R, 0, EXT, true, true },
		{ 5, N, R, 1, 0, true, true }, /* invalid: sasl required and nothing for it to run over */
		{ 6, N, R, 0, 0, true, true },
		{ 7, R, O, 1, EXT | DT, false, true },
		{ 8, R, O, 0, EXT, false, true },
		{ 9, O, O, 1, EXT | DT | DP, false, false },
		{ 10, O, O, 0, EXT, true, true },
		{ 11, N, O, 1, DP, true, false },
		{ 12, N, O, 0, 0, true, true },
		{ 13, R, N, 1, DT, false, true },
		{ 14, R, N, 0, 0, true, true },
		{ 15, O, N, 1, DT | DP, false, false },
		{ 16, O, N, 0, 0, true, true },
		{ 17, N, N, 1, DP, false, false },
		{ 18, N, N, 0, 0, true, true },
	};
	assert_int_equal(XFED_ARRAY_LEN(rows), 18);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_partner p = { .tls = (enum xfed_level)rows[i].tls, .sasl = (enum xfed_level)rows[i].sasl, .dialback = rows[i].dialback };
		const struct xfed_matrix_row *r = xfed_matrix_row(p.tls, p.sasl, p.dialback);
		print_message("row %d: %s\n", rows[i].number, r->problem ? r->problem : "");
		assert_int_equal(r->number, rows[i].number);
		assert_int_equal(r->tls, rows[i].tls);
		assert_int_equal(r->sasl, rows[i].sasl);
		assert_int_equal(r->dialback, rows[i].dialback);
		assert_int_equal(r->methods, rows[i].methods);
		assert_int_equal(r->problem != NULL, rows[i].has_problem);
		assert_int_equal(xfed_partner_methods(&p), rows[i].methods);
		assert_int_equal(xfed_partner_needs_tls(&p), rows[i].needs_tls);
		/* The sentences the table has to obey, whatever its rows say. */
		assert_true(rows[i].tls != R || (r->methods & DP) == 0);
		assert_true(rows[i].sasl != R || (r->methods & (DT | DP)) == 0);
		assert_true(rows[i].tls != N || (r->methods & (EXT | DT)) == 0);
		assert_true(rows[i].dialback || (r->methods & (DT | DP)) == 0);
	}
	assert_int_equal(xfed_matrix_row((enum xfed_level)7, XFED_OPTIONAL, true)->methods, 0);
	assert_string_equal(xfed_method_name(XFED_METHOD_EXTERNAL), "external");
	assert_string_equal(xfed_method_name(XFED_METHOD_DIALBACK_TLS), "dialback-tls");
	assert_string_equal(xfed_method_name(XFED_METHOD_DIALBACK_PLAIN), "dialback-plain");
}

/* ---- building ---- */

static struct xfed_partner partner(const char *domain)
{
	return (struct xfed_partner){
		.domain = domain,
		.type = XFED_PARTNER_PUBLIC_UNVERIFIED,
		.tls = XFED_REQUIRED,
		.sasl = XFED_OPTIONAL,
		.dialback = true,
		.keepalive = true,
		.max_connections = 20,
		.stanzas_per_second = 200,
		.stanza_bytes = XFED_STANZA_BYTES_DEFAULT,
		.kinds = XFED_KIND_MESSAGE | XFED_KIND_PRESENCE | XFED_KIND_IQ,
	};
}

static struct xfed_policy *empty(void)
{
	struct xfed_policy *p = NULL;
	assert_int_equal(xfed_policy_new(&p), XFED_OK);
	return p;
}

static void add(struct xfed_policy *p, const char *domain, const char *const *additional, size_t count)
{
	struct xfed_partner x = partner(domain);
	struct xfed_policy_error err = { 0 };
	x.additional = additional;
	x.additional_count = count;
	if (xfed_policy_add_partner(p, &x, &err) != XFED_OK) {
		fail_msg("%s: %s", domain, err.text);
	}
}

static void add_local(struct xfed_policy *p, const char *domain)
{
	struct xfed_policy_error err = { 0 };
	if (xfed_policy_add_local(p, xfed_span_str(domain), &err) != XFED_OK) {
		fail_msg("%s: %s", domain, err.text);
	}
}

static struct xfed_policy *everyday(void)
{
	static const char *const fabrikam[] = { "*.it.fabrikam.example", "corp.fabrikam.example", "*.fabrikam.example" };
	static const char *const contoso[] = { "special.it.fabrikam.example", "*.deep.it.fabrikam.example", "*.corp.example" };
	struct xfed_policy *p = empty();
	add_local(p, "corp.example");
	add_local(p, "chat.corp.example");
	add(p, "fabrikam.example", fabrikam, 3);
	add(p, "contoso.example", contoso, 3);
	add(p,
		"b\xc3\xbc"
		"cher.example",
		NULL, 0);
	return p;
}

static void look_ups(void **state)
{
	static const struct {
		const char *domain, *owner;
	} rows[] = {
		{ "fabrikam.example", "fabrikam.example" }, { "corp.fabrikam.example", "fabrikam.example" },
		{ "a.corp.fabrikam.example", "fabrikam.example" }, { "it.fabrikam.example", "fabrikam.example" }, /* by *.fabrikam.example; *.it does
								  not cover itself */
		{ "x.it.fabrikam.example", "fabrikam.example" }, { "special.it.fabrikam.example", "contoso.example" },	 /* exact beats wildcard */
		{ "deep.it.fabrikam.example", "fabrikam.example" }, { "a.deep.it.fabrikam.example", "contoso.example" }, /* the longest wildcard */
		{ "a.b.c.deep.it.fabrikam.example", "contoso.example" },						 /* any depth */
		{ "sub.contoso.example", NULL }, { "example", NULL }, { "", NULL }, { ".", NULL }, { ".fabrikam.example", NULL },
		{ "fabrikam.example.", NULL }, { "Fabrikam.example", NULL }, /* look-ups take normalised names */
		{ "xfabrikam.example", NULL }, { "corp.example", NULL },
		{ "chat.corp.example", NULL }, /* local, though *.corp.example is a partner's */
		{ "other.corp.example", "contoso.example" }, { "x.chat.corp.example", "contoso.example" },
		{ "b\xc3\xbc"
		  "cher.example",
			"b\xc3\xbc"
			"cher.example" },
		{ "*.fabrikam.example", "fabrikam.example" }, /* no domain, and no harm: a label like any other */
	};
	struct xfed_policy *p = everyday();
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		const struct xfed_partner *found = xfed_policy_partner(p, xfed_span_str(rows[i].domain));
		print_message("%s\n", rows[i].domain);
		if (rows[i].owner) {
			assert_non_null(found);
			assert_string_equal(found->domain, rows[i].owner);
		} else {
			assert_null(found);
		}
	}
	assert_true(xfed_policy_is_local(p, XFED_SPAN("corp.example")));
	assert_false(xfed_policy_is_local(p, XFED_SPAN("x.corp.example")));
	assert_false(xfed_policy_is_local(p, XFED_SPAN("fabrikam.example")));
	assert_int_equal(xfed_policy_partner_count(p), 3);
	assert_string_equal(xfed_policy_partner_at(p, 1)->domain, "contoso.example"); /* the bytes of u-umlaut sort after 'a' */
	assert_null(xfed_policy_partner_at(p, 3));
	assert_int_equal(xfed_policy_local_count(p), 2);
	assert_string_equal(xfed_policy_local_at(p, 0), "chat.corp.example");
	assert_null(xfed_policy_local_at(p, 2));
	xfed_policy_free(p);
}

/* Names of a file that cannot be loaded are refused, whoever has them; the longest name decides as ever. Also behind the encoding. */
static void refused_names(void **state)
{
	static const struct {
		const char *refused, *domain, *owner; /* NULL: of a file that cannot be loaded; "": not listed */
	} rows[] = {
		{ "new.example", "new.example", NULL },
		{ "new.example", "a.new.example", "" },
		{ "new.example", "contoso.example", "contoso.example" },
		{ "it.fabrikam.example", "it.fabrikam.example", NULL }, /* a wildcard covered it */
		{ "it.fabrikam.example", "x.it.fabrikam.example", "fabrikam.example" },
		{ "fabrikam.example", "fabrikam.example", NULL }, /* a partner's own: all it has */
		{ "fabrikam.example", "corp.fabrikam.example", NULL },
		{ "fabrikam.example", "a.b.fabrikam.example", NULL },
		{ "fabrikam.example", "special.it.fabrikam.example", "contoso.example" },
		{ "special.it.fabrikam.example", "special.it.fabrikam.example", NULL }, /* an additional one */
		{ "special.it.fabrikam.example", "contoso.example", "contoso.example" },
		{ "*.it.fabrikam.example", "x.it.fabrikam.example", NULL },
		{ "*.it.fabrikam.example", "it.fabrikam.example", "fabrikam.example" },
		{ "*.it.fabrikam.example", "special.it.fabrikam.example", "contoso.example" },
		{ "*.it.fabrikam.example", "a.deep.it.fabrikam.example", "contoso.example" },
		{ "*.corp.example", "x.corp.example", NULL },
		{ "*.corp.example", "corp.example", "" }, /* ours stays ours */
		{ "corp.example", "corp.example", "" },
		{ "*.new.example", "new.example", "" },
		{ "*.new.example", "a.b.new.example", NULL },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_policy *p = everyday(), *copy = NULL;
		struct xfed_buf b;
		struct xfed_span domain = xfed_span_str(rows[i].domain);
		print_message("%s: %s\n", rows[i].refused, rows[i].domain);
		for (int again = 0; again < 2; again++) {
			assert_int_equal(xfed_policy_refuse(p, rows[i].refused, NULL), XFED_OK);
		}
		xfed_buf_init(&b, XFED_POLICY_BYTES_MAX);
		assert_int_equal(xfed_policy_encode(p, &b), XFED_OK);
		assert_int_equal(xfed_policy_decode(xfed_buf_span(&b), &copy, NULL), XFED_OK);
		for (int k = 0; k < 2; k++) {
			const struct xfed_partner *found = xfed_policy_partner(k ? copy : p, domain);
			if (rows[i].owner && rows[i].owner[0]) {
				assert_string_equal(found->domain, rows[i].owner);
			} else {
				assert_null(found);
				assert_int_equal(xfed_policy_why_not(k ? copy : p, domain),
					rows[i].owner ? XFED_REASON_POLICY_PARTNER_UNLISTED : XFED_REASON_POLICY_PARTNER_BROKEN);
			}
		}
		xfed_buf_deinit(&b);
		xfed_policy_free(p);
		xfed_policy_free(copy);
	}
	struct xfed_policy *p = empty();
	assert_int_equal(xfed_policy_refuse(p, "No.Domain", NULL), XFED_ERR_INVALID);
	xfed_policy_free(p);
}

/* Told apart from one that is not listed, and from a broken file, here and at an edge. */
static void disabled(void **state)
{
	struct xfed_policy *p = empty(), *edge;
	struct xfed_policy_error err;
	struct xfed_partner off = { .domain = "off.example",
		.tls = XFED_OPTIONAL,
		.sasl = XFED_NOT_SUPPORTED,
		.dialback = true,
		.max_connections = 3,
		.stanzas_per_second = 2,
		.stanza_bytes = XFED_STANZA_BYTES_MIN,
		.kinds = XFED_KIND_MESSAGE,
		.is_disabled = true };
	struct xfed_buf bytes, again;
	add_local(p, "corp.example");
	assert_int_equal(xfed_policy_add_partner(p, &off, &err), XFED_OK);
	assert_int_equal(xfed_policy_refuse(p, "broken.example", &err), XFED_OK);
	xfed_buf_init(&bytes, 100000);
	xfed_buf_init(&again, 100000);
	assert_int_equal(xfed_policy_encode(p, &bytes), XFED_OK);
	assert_int_equal(xfed_policy_decode(xfed_buf_span(&bytes), &edge, &err), XFED_OK);
	assert_int_equal(xfed_policy_encode(edge, &again), XFED_OK);
	assert_true(xfed_span_eq(xfed_buf_span(&bytes), xfed_buf_span(&again)));
	struct xfed_policy *both[] = { p, edge };
	for (size_t i = 0; i < 2; i++) {
		assert_null(xfed_policy_partner(both[i], XFED_SPAN("off.example")));
		assert_int_equal(xfed_policy_why_not(both[i], XFED_SPAN("off.example")), XFED_REASON_POLICY_PARTNER_DISABLED);
		assert_int_equal(xfed_policy_why_not(both[i], XFED_SPAN("broken.example")), XFED_REASON_POLICY_PARTNER_BROKEN);
		assert_int_equal(xfed_policy_why_not(both[i], XFED_SPAN("other.example")), XFED_REASON_POLICY_PARTNER_UNLISTED);
		assert_int_equal(xfed_policy_judge(both[i], XFED_SPAN("off.example"), XFED_SPAN("corp.example"), XFED_METHOD_EXTERNAL),
			XFED_REASON_POLICY_PARTNER_DISABLED);
		assert_int_equal(xfed_policy_good_count(both[i]), 0);
		assert_string_equal(xfed_policy_owner(both[i], XFED_SPAN("off.example"))->domain, "off.example");
	}
	assert_int_equal(xfed_policy_owner(p, XFED_SPAN("off.example"))->max_connections, 3);
	xfed_buf_deinit(&bytes);
	xfed_buf_deinit(&again);
	xfed_policy_free(p);
	xfed_policy_free(edge);
}

/* A refused wildcard needs a name below it, which is never somebody's; where none fits, who has a wildcard above loses that. */
static void refused_wildcards(void **state)
{
	static const char *const wide[] = { "*.example", "0.wild.example" };
	char label[64] = "", longest[256], name[270];
	memset(label, 'a', 62);
	snprintf(longest, sizeof(longest), "%.53s.%s.%s.%s.example", label, label, label, label);
	struct xfed_policy *p = empty();
	add_local(p, "1.wild.example");
	add(p, "refused.wild.example", wide, 2);
	assert_int_equal(xfed_policy_refuse(p, "*.wild.example", NULL), XFED_OK);
	assert_null(xfed_policy_partner(p, XFED_SPAN("x.wild.example")));
	assert_int_equal(xfed_policy_why_not(p, XFED_SPAN("x.wild.example")), XFED_REASON_POLICY_PARTNER_BROKEN);
	for (size_t i = 0; i < 2; i++) {
		assert_non_null(xfed_policy_partner(p, xfed_span_str(i == 0 ? "refused.wild.example" : "0.wild.example")));
	}
	assert_true(xfed_policy_is_local(p, XFED_SPAN("1.wild.example")));
	/* "0." and nothing longer fits, then not even that */
	assert_int_equal(strlen(longest), 250);
	snprintf(name, sizeof(name), "*.%s", longest);
	assert_int_equal(xfed_policy_refuse(p, name, NULL), XFED_OK);
	assert_int_equal(xfed_policy_why_not(p, xfed_span_str(name)), XFED_REASON_POLICY_PARTNER_BROKEN);
	assert_non_null(xfed_policy_partner(p, XFED_SPAN("x.y.example")));
	snprintf(name, sizeof(name), "*.aa%s", longest);
	assert_int_equal(xfed_policy_refuse(p, name, NULL), XFED_ERR_INVALID);
	assert_null(xfed_policy_partner(p, XFED_SPAN("x.y.example")));
	assert_non_null(xfed_policy_partner(p, XFED_SPAN("refused.wild.example")));
	xfed_policy_free(p);
}

static void deep_copies(void **state)
{
	char domain[] = "fabrikam.example", additional[] = "*.fabrikam.example", pin[] = HASH_A, host[] = "xmpp.fabrikam.example";
	const char *names[] = { additional }, *pins[] = { pin };
	struct xfed_partner x = partner(domain);
	x.additional = names;
	x.additional_count = 1;
	x.pins = pins;
	x.pin_count = 1;
	x.connect_host = host;
	x.connect_port = 5269;
	struct xfed_policy *p = empty();
	assert_int_equal(xfed_policy_add_partner(p, &x, NULL), XFED_OK);
	memset(domain, 'x', sizeof(domain) - 1);
	memset(additional, 'x', sizeof(additional) - 1);
	memset(pin, 'x', sizeof(pin) - 1);
	memset(host, 'x', sizeof(host) - 1);
	const struct xfed_partner *found = xfed_policy_partner(p, XFED_SPAN("a.fabrikam.example"));
	assert_non_null(found);
	assert_string_equal(found->additional[0], "*.fabrikam.example");
	assert_string_equal(found->pins[0], HASH_A);
	assert_string_equal(found->connect_host, "xmpp.fabrikam.example");
	xfed_policy_free(p);
}

enum change {
	DOMAIN_NULL,
	DOMAIN_EMPTY,
	DOMAIN_UPPER,
	DOMAIN_DOT,
	DOMAIN_A_LABEL,
	DOMAIN_JID,
	DOMAIN_WILD,
	MATRIX_5,
	MATRIX_18,
	TLS_UNKNOWN,
	TYPE_UNKNOWN,
	DANE_UNKNOWN,
	NO_CONNECTIONS,
	CONNECTIONS_MANY,
	NO_RATE,
	SIZE_SMALL,
	SIZE_LARGE,
	KINDS_UNKNOWN,
	HOST_BLANK,
	HOST_EMPTY,
	HOST_NO_PORT,
	PIN_SHORT,
	PIN_UPPER,
	PIN_TWICE,
	DESCRIPTION_CONTROL,
	DESCRIPTION_NOT_UTF8,
	NAME_TWICE,
	NAME_OWN,
	NAME_TAKEN,
	WILD_TAKEN,
	DOMAIN_TAKEN,
	NAME_LOCAL,
	DOMAIN_LOCAL,
	WILD_BARE,
	WILD_INNER,
	NAME_NULL,
	CHANGES
};

static const char *const pins_short[] = { "abc" }, *const pins_upper[] = { HASH_UPPER }, *const pins_twice[] = { HASH_A, HASH_B, HASH_A };
static const char *const names_twice[] = { "a.example", "*.a.example", "a.example" }, *const names_own[] = { "new.example" };
static const char *const names_taken[] = { "corp.fabrikam.example" }, *const names_wild[] = { "*.fabrikam.example" };
static const char *const names_local[] = { "chat.corp.example" }, *const names_bare[] = { "*." }, *const names_inner[] = { "a.*.example" };
static const char *const names_null[] = { NULL };

static enum xfed_reason change(struct xfed_partner *x, enum change c)
{
	enum xfed_reason value = XFED_REASON_CONFIG_VALUE_INVALID;
	const char *const *names = NULL;
	/* clang-format off */
	switch (c) {
	case DOMAIN_NULL: x->domain = NULL; return value;
	case DOMAIN_EMPTY: x->domain = ""; return value;
	case DOMAIN_UPPER: x->domain = "New.example"; return value;
	case DOMAIN_DOT: x->domain = "new.example."; return value;
	case DOMAIN_A_LABEL: x->domain = "xn--bcher-kva.example"; return value;
	case DOMAIN_JID: x->domain = "user@new.example"; return value;
	case DOMAIN_WILD: x->domain = "*.new.example"; return value;
	case MATRIX_5: x->tls = XFED_NOT_SUPPORTED; x->sasl = XFED_REQUIRED; return XFED_REASON_CONFIG_MATRIX_INVALID;
	case MATRIX_18: x->tls = x->sasl = XFED_NOT_SUPPORTED; x->dialback = false; return XFED_REASON_CONFIG_MATRIX_INVALID;
	case TLS_UNKNOWN: x->tls = (enum xfed_level)3; return value;
	case TYPE_UNKNOWN: x->type = (enum xfed_partner_type)3; return value;
	case DANE_UNKNOWN: x->dane = (enum xfed_dane)2; return value;
	case NO_CONNECTIONS: x->max_connections = 0; return value;
	case CONNECTIONS_MANY: x->max_connections = XFED_CONNECTIONS_MAX + 1; return value;
	case NO_RATE: x->stanzas_per_second = 0; return value;
	case SIZE_SMALL: x->stanza_bytes = XFED_STANZA_BYTES_MIN - 1; return value;
	case SIZE_LARGE: x->stanza_bytes = XFED_STANZA_BYTES_MAX + 1; return value;
	case KINDS_UNKNOWN: x->kinds = 8; return value;
	case HOST_BLANK: x->connect_host = "a b"; x->connect_port = 5269; return value;
	case HOST_EMPTY: x->connect_host = ""; x->connect_port = 5269; return value;
	case HOST_NO_PORT: x->connect_host = "a.example"; return value;
	case PIN_SHORT: x->pins = pins_short; x->pin_count = 1; return value;
	case PIN_UPPER: x->pins = pins_upper; x->pin_count = 1; return value;
	case PIN_TWICE: x->pins = pins_twice; x->pin_count = 3; return value;
	case DESCRIPTION_CONTROL: x->description = "a\nb"; return value;
	case DESCRIPTION_NOT_UTF8: x->description = "\xff"; return value;
	case NAME_TWICE: names = names_twice; break;
	case NAME_OWN: names = names_own; break;
	case NAME_TAKEN: names = names_taken; break;
	case WILD_TAKEN: names = names_wild; break;
	case DOMAIN_TAKEN: x->domain = "corp.fabrikam.example"; return value;
	case NAME_LOCAL: names = names_local; break;
	case DOMAIN_LOCAL: x->domain = "corp.example"; return value;
	case WILD_BARE: names = names_bare; break;
	case WILD_INNER: names = names_inner; break;
	case NAME_NULL: names = names_null; break;
	case CHANGES: break;
	}
	/* clang-format on */
	x->additional = names;
	x->additional_count = c == NAME_TWICE ? 3 : 1;
	return value;
}

static int encoded(const struct xfed_policy *p, struct xfed_buf *b)
{
	xfed_buf_init(b, XFED_POLICY_BYTES_MAX);
	return xfed_policy_encode(p, b);
}

/* Each refusal says why and leaves the policy as it was. */
static void refusals(void **state)
{
	struct xfed_policy *p = everyday();
	struct xfed_buf before, after;
	assert_int_equal(encoded(p, &before), XFED_OK);
	for (int c = 0; c < CHANGES; c++) {
		struct xfed_partner x = partner("new.example");
		struct xfed_policy_error err = { 0 };
		enum xfed_reason reason = change(&x, (enum change)c);
		int rc = xfed_policy_add_partner(p, &x, &err);
		print_message("%d: %s\n", c, err.text);
		assert_int_equal(rc, XFED_ERR_INVALID);
		assert_int_equal(err.reason, reason);
		assert_true(strlen(err.text) > 0);
		assert_null(xfed_policy_partner(p, XFED_SPAN("new.example")));
		assert_null(xfed_policy_partner(p, XFED_SPAN("a.example")));
		assert_null(xfed_policy_partner(p, XFED_SPAN("b.a.example")));
		assert_int_equal(xfed_policy_add_partner(p, &x, NULL), XFED_ERR_INVALID);
	}
	static const char *const locals[] = { "", "Corp.example", "corp.example", "fabrikam.example", "corp.fabrikam.example", "a@b" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(locals); i++) {
		struct xfed_policy_error err = { 0 };
		assert_int_equal(xfed_policy_add_local(p, xfed_span_str(locals[i]), &err), XFED_ERR_INVALID);
		assert_int_equal(err.reason, XFED_REASON_CONFIG_VALUE_INVALID);
		print_message("%s\n", err.text);
	}
	assert_int_equal(encoded(p, &after), XFED_OK);
	assert_true(xfed_span_eq(xfed_buf_span(&before), xfed_buf_span(&after)));
	xfed_buf_deinit(&before);
	xfed_buf_deinit(&after);
	xfed_policy_free(p);
}

static void both_sides_of_a_conflict_are_named(void **state)
{
	static const char *const it[] = { "it.example" };
	struct xfed_policy *p = empty();
	struct xfed_policy_error err = { 0 };
	add(p, "fabrikam.example", it, 1);
	struct xfed_partner x = partner("contoso.example");
	x.additional = it;
	x.additional_count = 1;
	assert_int_equal(xfed_policy_add_partner(p, &x, &err), XFED_ERR_INVALID);
	assert_string_equal(err.text, "fabrikam.example and contoso.example both claim it.example: take it out of one file");
	assert_int_equal(xfed_policy_partner_count(p), 1);
	xfed_policy_free(p);
}

static void warned_rows_are_added(void **state)
{
	struct xfed_policy *p = empty();
	struct xfed_partner x = partner("a.example");
	x.sasl = XFED_REQUIRED;
	assert_int_equal(xfed_policy_add_partner(p, &x, NULL), XFED_OK);
	assert_int_equal(xfed_partner_methods(xfed_policy_partner(p, XFED_SPAN("a.example"))), XFED_METHOD_EXTERNAL);
	xfed_policy_free(p);
}

static void dialback_secret(void **state)
{
	struct xfed_policy *p = empty();
	assert_int_equal(xfed_policy_dialback_current(p).len, 0);
	assert_int_equal(xfed_policy_set_dialback(p, XFED_SPAN("secret"), XFED_SPAN("")), XFED_ERR_INVALID);
	assert_int_equal(xfed_policy_set_dialback(p, XFED_SPAN(HASH_A), XFED_SPAN("x" HASH_A)), XFED_ERR_INVALID);
	assert_int_equal(xfed_policy_dialback_current(p).len, 0);
	assert_int_equal(xfed_policy_set_dialback(p, XFED_SPAN(HASH_A), XFED_SPAN(HASH_B)), XFED_OK);
	assert_true(xfed_span_is(xfed_policy_dialback_current(p), HASH_A));
	assert_true(xfed_span_is(xfed_policy_dialback_previous(p), HASH_B));
	assert_int_equal(xfed_policy_set_dialback(p, XFED_SPAN(HASH_B), XFED_SPAN("")), XFED_OK);
	assert_int_equal(xfed_policy_dialback_previous(p).len, 0);
	xfed_policy_free(p);
}

/* ---- encoding ---- */

static struct xfed_policy *shuffled(bool backwards)
{
	static const char *const names[] = { "c.example", "a.example", "*.b.example" }, *const other[] = { "*.b.example", "c.example", "a.example" };
	static const char *const pins[] = { HASH_A, HASH_B }, *const pins_back[] = { HASH_B, HASH_A };
	struct xfed_policy *p = empty();
	struct xfed_partner x[3] = { partner("x.example"), partner("y.example"), partner("z.example") };
	x[0].additional = backwards ? names : other;
	x[0].additional_count = 3;
	x[0].pins = backwards ? pins : pins_back;
	x[0].pin_count = 2;
	x[1].description = "Contract 4711, \xc3\xa4";
	x[1].connect_host = "xmpp.y.example";
	x[1].connect_port = 5270;
	x[1].type = XFED_PARTNER_FEDERATED;
	x[1].dane = XFED_DANE_ON;
	x[2].trust_ca_pem = "-----BEGIN CERTIFICATE-----\n";
	x[2].kinds = XFED_KIND_MESSAGE;
	x[2].keepalive = false;
	x[2].tls = XFED_OPTIONAL;
	x[2].sasl = XFED_NOT_SUPPORTED;
	if (!backwards) {
		add_local(p, "one.example");
	}
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(xfed_policy_add_partner(p, &x[backwards ? 2 - i : i], NULL), XFED_OK);
	}
	add_local(p, "two.example");
	if (backwards) {
		add_local(p, "one.example");
	}
	assert_int_equal(xfed_policy_set_dialback(p, XFED_SPAN(HASH_A), XFED_SPAN(HASH_B)), XFED_OK);
	return p;
}

static void encoding_is_canonical(void **state)
{
	struct xfed_policy *p = shuffled(false), *q = shuffled(true), *back = NULL;
	struct xfed_policy_error err;
	struct xfed_buf a, b, c;
	assert_int_equal(encoded(p, &a), XFED_OK);
	assert_int_equal(encoded(q, &b), XFED_OK);
	assert_true(xfed_span_eq(xfed_buf_span(&a), xfed_buf_span(&b)));
	assert_int_equal(xfed_policy_decode(xfed_buf_span(&a), &back, &err), XFED_OK);
	assert_int_equal(encoded(back, &c), XFED_OK);
	assert_true(xfed_span_eq(xfed_buf_span(&a), xfed_buf_span(&c)));
	const struct xfed_partner *y = xfed_policy_partner(back, XFED_SPAN("y.example"));
	const struct xfed_partner *z = xfed_policy_partner(back, XFED_SPAN("z.example"));
	assert_string_equal(y->description, "Contract 4711, \xc3\xa4");
	assert_string_equal(y->connect_host, "xmpp.y.example");
	assert_int_equal(y->connect_port, 5270);
	assert_int_equal(y->type, XFED_PARTNER_FEDERATED);
	assert_int_equal(y->dane, XFED_DANE_ON);
	assert_true(y->keepalive && y->dialback);
	assert_null(y->trust_ca_pem);
	assert_string_equal(z->trust_ca_pem, "-----BEGIN CERTIFICATE-----\n");
	assert_int_equal(z->kinds, XFED_KIND_MESSAGE);
	assert_int_equal(z->tls, XFED_OPTIONAL);
	assert_int_equal(z->sasl, XFED_NOT_SUPPORTED);
	assert_int_equal(z->max_connections, 20);
	assert_int_equal(z->stanzas_per_second, 200);
	assert_int_equal(z->stanza_bytes, XFED_STANZA_BYTES_DEFAULT);
	assert_false(z->keepalive);
	assert_ptr_equal(xfed_policy_partner(back, XFED_SPAN("n.b.example")), xfed_policy_partner(back, XFED_SPAN("x.example")));
	assert_true(xfed_policy_is_local(back, XFED_SPAN("two.example")));
	assert_true(xfed_span_is(xfed_policy_dialback_previous(back), HASH_B));
	xfed_buf_wipe(&a);
	xfed_buf_wipe(&b);
	xfed_buf_wipe(&c);
	xfed_policy_free(p);
	xfed_policy_free(q);
	xfed_policy_free(back);
}

/* Shorter, longer, or with any bit flipped: refused, or a policy whose only encoding it is. */
static void damaged_bytes(void **state)
{
	struct xfed_policy *p = shuffled(false), *q;
	struct xfed_policy_error err;
	struct xfed_buf a, b;
	assert_int_equal(encoded(p, &a), XFED_OK);
	struct xfed_span whole = xfed_buf_span(&a);
	char *copy = malloc(whole.len + 1);
	for (size_t len = 0; len < whole.len; len++) {
		char *exact = malloc(len > 0 ? len : 1);
		memcpy(exact, whole.data, len);
		assert_int_equal(xfed_policy_decode(xfed_span_make(exact, len), &q, &err), XFED_ERR_INVALID);
		assert_null(q);
		free(exact);
	}
	memcpy(copy, whole.data, whole.len);
	copy[whole.len] = 0;
	assert_int_equal(xfed_policy_decode(xfed_span_make(copy, whole.len + 1), &q, &err), XFED_ERR_INVALID);
	for (size_t bit = 0; bit < 8 * whole.len; bit++) {
		memcpy(copy, whole.data, whole.len);
		copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << (bit % 8)));
		int rc = xfed_policy_decode(xfed_span_make(copy, whole.len), &q, &err);
		assert_true(rc == XFED_OK || rc == XFED_ERR_INVALID);
		if (rc == XFED_OK) {
			assert_int_equal(encoded(q, &b), XFED_OK);
			assert_true(xfed_span_eq(xfed_buf_span(&b), xfed_span_make(copy, whole.len)));
			xfed_buf_deinit(&b);
		}
		xfed_policy_free(q);
	}
	free(copy);
	xfed_buf_deinit(&a);
	xfed_policy_free(p);
}

static void a_newer_format_is_named(void **state)
{
	struct xfed_policy *q;
	struct xfed_policy_error err;
	assert_int_equal(xfed_policy_decode(XFED_SPAN("XFEDPOL\x02"), &q, &err), XFED_ERR_INVALID);
	assert_string_equal(err.text, "policy format 2, this version knows 1");
	assert_int_equal(xfed_policy_decode(XFED_SPAN("{}"), &q, NULL), XFED_ERR_INVALID);
}

/* A count that promises more than the bytes hold costs nothing. */
static size_t allocated;

static void *counting_malloc(size_t size)
{
	allocated += size;
	return malloc(size);
}
static void *counting_realloc(void *p, size_t size)
{
	allocated += size;
	return realloc(p, size);
}

static void promises_cost_nothing(void **state)
{
	static const struct xfed_mem_hooks hooks = { counting_malloc, counting_realloc, free };
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
#define LIT(s) { s, sizeof(s) - 1 }
		LIT("XFEDPOL\x01\xff\xff\xff\xff"),
		LIT("XFEDPOL\x01\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00"),
		LIT("XFEDPOL\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01"
		    "a"
		    "\x00\x00\x00\x10\x00"),
		LIT("XFEDPOL\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01"
		    "a"
		    "\x01\x7f\xff\xff\xff"
		    "x"),
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_policy *q;
		allocated = 0;
		xfed_mem_set_hooks(&hooks);
		int rc = xfed_policy_decode(xfed_span_make(rows[i].bytes, rows[i].len), &q, NULL);
		xfed_mem_set_hooks(NULL);
		assert_int_equal(rc, XFED_ERR_INVALID);
		assert_true(allocated < 16384);
	}
}

static void encode_is_all_or_nothing(void **state)
{
	struct xfed_policy *p = everyday();
	struct xfed_buf b;
	xfed_buf_init(&b, 200);
	assert_int_equal(xfed_buf_append_str(&b, "before"), XFED_OK);
	assert_int_equal(xfed_policy_encode(p, &b), XFED_ERR_LIMIT);
	assert_true(xfed_span_is(xfed_buf_span(&b), "before"));
	xfed_buf_deinit(&b);
	xfed_policy_free(p);
}

static size_t allocations, fail_at;

static void *failing_malloc(size_t size)
{
	return ++allocations == fail_at ? NULL : malloc(size);
}
static void *failing_realloc(void *p, size_t size)
{
	return ++allocations == fail_at ? NULL : realloc(p, size);
}

/* OK or the first error; the policy stays usable after NOMEM. */
static int build_and_copy(void)
{
	struct xfed_policy *p = NULL, *q = NULL;
	struct xfed_buf b;
	char name[64];
	xfed_buf_init(&b, XFED_POLICY_BYTES_MAX);
	int rc = xfed_policy_new(&p);
	for (int i = 0; rc == XFED_OK && i < 40; i++) {
		static const char *const wild[] = { "*.first.example" };
		snprintf(name, sizeof(name), "p%d.example", i);
		struct xfed_partner x = partner(name);
		x.additional = wild;
		x.additional_count = i == 0;
		rc = xfed_policy_add_partner(p, &x, NULL);
		size_t count = xfed_policy_partner_count(p);
		assert_int_equal(count, rc == XFED_OK ? i + 1 : i);
		assert_int_equal(xfed_policy_partner(p, xfed_span_str(name)) != NULL, rc == XFED_OK);
	}
	rc = rc == XFED_OK ? xfed_policy_add_local(p, XFED_SPAN("corp.example"), NULL) : rc;
	rc = rc == XFED_OK ? xfed_policy_encode(p, &b) : rc;
	rc = rc == XFED_OK ? xfed_policy_decode(xfed_buf_span(&b), &q, NULL) : rc;
	xfed_buf_deinit(&b);
	xfed_policy_free(p);
	xfed_policy_free(q);
	return rc;
}

static void failing_allocations(void **state)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	xfed_mem_set_hooks(&hooks);
	fail_at = allocations = 0;
	int rc = build_and_copy();
	size_t total = allocations;
	for (fail_at = 1; rc == XFED_OK && fail_at <= total; fail_at++) {
		allocations = 0;
		rc = build_and_copy() == XFED_ERR_NOMEM ? XFED_OK : XFED_ERR_LIBRARY;
	}
	xfed_mem_set_hooks(NULL);
	print_message("%zu allocations, stopped at %zu\n", total, fail_at);
	assert_int_equal(rc, XFED_OK);
	assert_true(total > 20);
}

static void many_partners(void **state)
{
	struct xfed_policy *p = empty();
	char name[64], wild[64];
	const char *names[] = { wild };
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "p%d.example", (i * 7919) % 3000);
		snprintf(wild, sizeof(wild), "*.p%d.example", (i * 7919) % 3000);
		add(p, name, names, 1);
	}
	for (size_t i = 1; i < 3000; i++) {
		assert_true(strcmp(xfed_policy_partner_at(p, i - 1)->domain, xfed_policy_partner_at(p, i)->domain) < 0);
	}
	assert_string_equal(xfed_policy_partner(p, XFED_SPAN("a.b.p17.example"))->domain, "p17.example");
	xfed_policy_free(p);
	xfed_policy_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matrix),
		cmocka_unit_test(look_ups),
		cmocka_unit_test(refused_names),
		cmocka_unit_test(disabled),
		cmocka_unit_test(refused_wildcards),
		cmocka_unit_test(deep_copies),
		cmocka_unit_test(refusals),
		cmocka_unit_test(both_sides_of_a_conflict_are_named),
		cmocka_unit_test(warned_rows_are_added),
		cmocka_unit_test(dialback_secret),
		cmocka_unit_test(encoding_is_canonical),
		cmocka_unit_test(damaged_bytes),
		cmocka_unit_test(a_newer_format_is_named),
		cmocka_unit_test(promises_cost_nothing),
		cmocka_unit_test(encode_is_all_or_nothing),
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(many_partners),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
