#include "policy/partner_file.h"

#include "policy/policy_dir.h"
#include "xfed/jid.h"
#include "xfed/limits.h"

#define RELOADABLE	   RT_CONF_RELOADABLE
#define VALUE		   XFED_REASON_CONFIG_VALUE_INVALID
#define PARTNER(member)	   .offset = offsetof(struct partner_options, member)
#define IN(object, member) RT_CONF_IN(struct partner_options, object, member)

/* The contents of the file: a partner, and keys whose form differs from the partner's. */
struct partner_options {
	struct xfed_partner partner;
	struct rt_conf_strings additional;
	bool enabled;
	struct rt_conf_address connect_to;
	struct {
		uint32_t connections, stanzas_per_second, stanza_bytes;
	} limits;
	struct {
		const char *ca;
		struct rt_conf_strings pins;
	} trust;
	struct iw_presence_choice presence;
};

static int convert_additional(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted)
{
	bool is_wildcard = in.len > 2 && memcmp(in.data, "*.", 2) == 0;
	struct xfed_span domain;
	int rc = rt_conf_convert_domain(a, is_wildcard ? xfed_span_make(in.data + 2, in.len - 2) : in, &domain, accepted);
	*accepted = "a domain, or \"*.domain\" for all below it";
	if (rc != XFED_OK) {
		return rc;
	}
	*out = xfed_arena_printf(a, "%s%.*s", is_wildcard ? "*." : "", (int)domain.len, domain.data);
	return out->data ? XFED_OK : XFED_ERR_NOMEM;
}

/* To lower-case hexadecimal; colons, as openssl prints them, are dropped. */
static int convert_pin(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted)
{
	char hex[65];
	size_t n = 0;
	*accepted = "the SHA-256 of a public key: 64 hex digits";
	for (size_t i = 0; i < in.len; i++) {
		char c = xfed_lower(in.data[i]);
		if (c == ':') {
			continue;
		}
		if (n == 64 || (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))) {
			return XFED_ERR_INVALID;
		}
		hex[n++] = c;
	}
	if (n != 64) {
		return XFED_ERR_INVALID;
	}
	*out = xfed_arena_copy(a, xfed_span_make(hex, n));
	return out->data ? XFED_OK : XFED_ERR_NOMEM;
}

/* clang-format off */
static const struct rt_conf_word type_words[] = {
	{ "federated", XFED_PARTNER_FEDERATED, NULL },
	{ "public-verified", XFED_PARTNER_PUBLIC_VERIFIED, NULL },
	{ "public-unverified", XFED_PARTNER_PUBLIC_UNVERIFIED, NULL },
	{ NULL, 0, NULL },
};
static const struct rt_conf_word level_words[] = {
	{ "required", XFED_REQUIRED, NULL }, { "optional", XFED_OPTIONAL, NULL }, { "not-supported", XFED_NOT_SUPPORTED, NULL }, { NULL, 0, NULL },
};
static const struct rt_conf_word kind_words[] = {
	{ "message", XFED_KIND_MESSAGE, NULL }, { "presence", XFED_KIND_PRESENCE, NULL }, { "iq", XFED_KIND_IQ, NULL }, { NULL, 0, NULL },
};
static const struct rt_conf_word dane_words[] = {
	{ "off", XFED_DANE_OFF, NULL }, { "on", XFED_DANE_ON, "DANE is not built in this version" }, { NULL, 0, NULL },
};

static const struct rt_conf_row limits_rows[] = {
	{ .name = "connections", .type = RT_CONF_INT, IN(limits, connections), .flags = RELOADABLE, .min = 1, .max = XFED_CONNECTIONS_MAX, .unit = "connections",
		.standard = XFED_CONNECTIONS_PARTNER, .help = "Streams the partner has opened to one edge and authenticated." },
	{ .name = "stanzas_per_second", .type = RT_CONF_INT, IN(limits, stanzas_per_second), .flags = RELOADABLE, .min = 1, .max = 1000000,
		.unit = "stanzas", .fallback = "200", .help = "From the partner on one edge, over all its streams and domains. What comes faster waits for its turn, and is refused (policy.rate.exceeded) only where that would take 25 s." },
	{ .name = "stanza_size", .type = RT_CONF_SIZE, IN(limits, stanza_bytes), .flags = RELOADABLE, .min = XFED_STANZA_BYTES_MIN,
		.max = XFED_STANZA_BYTES_MAX, .standard = XFED_STANZA_BYTES_DEFAULT, .help = "Largest stanza taken from the partner. A larger one is refused to its sender (policy.size.exceeded) and the stream "
			"goes on; above the hard maximum of 256KiB the stream ends. The partner is told (XEP-0478)." },
};
RT_CONF_TABLE(static const, limits, "limits", limits_rows, RT_CONF_TYPE_OF(struct partner_options, limits), "Limits, for each edge.");

/* These keys are refused until they are built: accepting and ignoring them would be worse. */
static const struct rt_conf_row trust_rows[] = {
	{ .name = "ca", .type = RT_CONF_PATH, IN(trust, ca), .flags = RELOADABLE, .help = "PEM file with the only authorities for this partner.",
		.not_built = "authorities for one partner are not built in this version" },
	{ .name = "pins", .type = RT_CONF_STRINGS, IN(trust, pins), .flags = RELOADABLE, .max = 16, .convert = convert_pin,
		.help = "SHA-256 of public keys, one of which the partner has to show.", .not_built = "pins are not built in this version" },
};
RT_CONF_TABLE(static const, trust, "trust", trust_rows, RT_CONF_TYPE_OF(struct partner_options, trust), "Trust for this partner alone.");

static const struct rt_conf_row partner_rows[] = {
	{ .name = "domain", .type = RT_CONF_STRING, PARTNER(partner.domain), .flags = RT_CONF_REQUIRED | RELOADABLE, .convert = rt_conf_convert_domain,
		.help = "The partner's domain; the file is named after it." },
	{ .name = "description", .type = RT_CONF_STRING, PARTNER(partner.description), .flags = RELOADABLE, .help = "A text for people." },
	{ .name = "enabled", .type = RT_CONF_BOOL, PARTNER(enabled), .flags = RELOADABLE, .fallback = "true",
		.help = "false: nothing is exchanged with the partner (policy.partner.disabled), its streams are closed, and the file stays for the day it is put into force again." },
	{ .name = "additional_domains", .type = RT_CONF_STRINGS, PARTNER(additional), .flags = RELOADABLE, .max = 1024,
		.convert = convert_additional,
		.help = "More domains of the partner. *.domain stands for everything below it, not for itself; an exact name beats a wildcard." },
	{ .name = "partner_type", .type = RT_CONF_ENUM, PARTNER(partner.type), .flags = RELOADABLE, .fallback = "public-unverified", .words = type_words,
		.help = "federated: an organisation whose users are known by their names; they may write to local users, ask for their presence and see its notes. "
			"public: anyone can have an account there, and sees no notes. Users of a public-verified partner may write and ask all the same; those of a "
			"public-unverified one may ask for the presence of local users who have added them (subscribed to their presence), and write to these and to "
			"those who have written to them within a day (kept in the store)." },
	{ .name = "tls", .type = RT_CONF_ENUM, PARTNER(partner.tls), .flags = RELOADABLE, .fallback = "required", .words = level_words,
		.help = "Encryption of the streams." },
	{ .name = "sasl", .type = RT_CONF_ENUM, PARTNER(partner.sasl), .flags = RELOADABLE, .fallback = "optional", .words = level_words,
		.help = "Login with certificates (EXTERNAL)." },
	{ .name = "dialback", .type = RT_CONF_BOOL, PARTNER(partner.dialback), .flags = RELOADABLE, .fallback = "true",
		.help = "Whether server dialback may prove the partner's domains, where sasl lets it." },
	{ .name = "connect_to", .type = RT_CONF_ADDRESS, PARTNER(connect_to), .flags = RELOADABLE,
		.help = "The partner's server, instead of its SRV records. The certificate is still checked for the domain." },
	{ .name = "keepalive", .type = RT_CONF_BOOL, PARTNER(partner.keepalive), .flags = RELOADABLE, .fallback = "true",
		.help = "Whether a stream of ours that has been quiet for five minutes carries white space, so that firewalls do not forget it." },
	{ .name = "limits", .type = RT_CONF_OBJECT, PARTNER(limits), .table = &limits_table, .help = "Limits, for each edge." },
	{ .name = "kinds", .type = RT_CONF_ENUM_SET, PARTNER(partner.kinds), .flags = RELOADABLE, .min = 1, .max = 3, .fallback = "message presence iq",
		.words = kind_words, .help = "What may be exchanged." },
	{ .name = "presence", .type = RT_CONF_OBJECT, PARTNER(presence), .table = &config_choice_table,
		.help = "What show and activities mean to each other for users of this partner, where it is something else than for the local domain." },
	{ .name = "trust", .type = RT_CONF_OBJECT, PARTNER(trust), .table = &trust_table, .help = "Trust for this partner alone." },
	{ .name = "dane", .type = RT_CONF_ENUM, PARTNER(partner.dane), .flags = RELOADABLE, .fallback = "off", .words = dane_words,
		.help = "Whether TLSA records vouch for the partner's certificate." },
};
RT_CONF_TABLE(const, partner_file, "partners.d/DOMAIN.yaml", partner_rows, struct partner_options,
	"One partner a file, a YAML file named after its domain. At a reload the whole directory is checked before any of it takes effect.");
/* clang-format on */

static int check_name(struct rt_conf_doc *doc, const struct partner_options *o)
{
	struct xfed_span ascii;
	int rc = xfed_jid_domain_ascii(&doc->arena, xfed_span_str(o->partner.domain), &ascii);
	if (rc != XFED_OK) {
		return rc;
	}
	if (!policy_dir_is_named(doc->file, xfed_span_str(o->partner.domain)) && !policy_dir_is_named(doc->file, ascii)) {
		rt_conf_fail(doc, o, "domain", VALUE,
			"found \"%.200s\", which is not the domain the file is named after: rename the file to %.200s.yaml, or correct "
			"the domain",
			o->partner.domain, o->partner.domain);
	}
	return XFED_OK;
}

static void check_matrix(struct rt_conf_doc *doc, const struct partner_options *o)
{
	const struct xfed_matrix_row *row = xfed_matrix_row(o->partner.tls, o->partner.sasl, o->partner.dialback);
	const char *key = rt_conf_is_set(doc, o, "sasl") ? "sasl" : rt_conf_is_set(doc, o, "tls") ? "tls" : "dialback";
	if (row->methods == 0) {
		rt_conf_fail(doc, o, key, XFED_REASON_CONFIG_MATRIX_INVALID, "row %d of tls, sasl and dialback: %s", row->number,
			row->problem ? row->problem : "no way to authenticate is left");
	} else if (row->problem) {
		rt_conf_warn(doc, o, key, XFED_REASON_CONFIG_MATRIX_WARNED, "row %d of tls, sasl and dialback: %s", row->number, row->problem);
	}
}

static void fill(struct xfed_partner *p, const struct partner_options *o)
{
	*p = o->partner;
	p->is_disabled = !o->enabled;
	p->additional = o->additional.items;
	p->additional_count = o->additional.count;
	p->connect_host = o->connect_to.host;
	p->connect_port = o->connect_to.port;
	p->max_connections = o->limits.connections;
	p->stanzas_per_second = o->limits.stanzas_per_second;
	p->stanza_bytes = o->limits.stanza_bytes;
	p->pins = o->trust.pins.items;
	p->pin_count = o->trust.pins.count;
}

int partner_file_parse(const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct partner_file *out)
{
	size_t errors_before = errors->error_count;
	*out = (struct partner_file){ 0 };
	int rc = rt_conf_load(&out->doc, &partner_file_table, file, text, errors);
	if (rc == XFED_OK) {
		const struct partner_options *o = out->doc.object;
		rc = check_name(&out->doc, o);
		check_matrix(&out->doc, o);
		fill(&out->partner, o);
		out->presence = o->presence;
	}
	if (rc == XFED_OK && errors->error_count > errors_before) {
		rc = XFED_ERR_INVALID;
	}
	if (rc != XFED_OK) {
		partner_file_deinit(out);
	}
	return rc;
}

void partner_file_deinit(struct partner_file *f)
{
	rt_conf_doc_deinit(&f->doc);
	*f = (struct partner_file){ 0 };
}
