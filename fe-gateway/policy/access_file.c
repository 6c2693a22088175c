#include "policy/access_file.h"

#include <errno.h>
#include <unistd.h>

#include "policy/policy_dir.h"
#include "util/table.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

#define RELOADABLE     RT_CONF_RELOADABLE
#define VALUE	       XFED_REASON_CONFIG_VALUE_INVALID
#define ACCESS(member) .offset = offsetof(struct access_options, member)

struct access_options {
	const char *name;
	enum access_scope scope;
	bool allowed, federation, xmpp;
	struct rt_conf_strings granted_to;
	const char *granted_to_file;
	struct rt_conf_strings domains;
};

int access_convert_user(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted)
{
	struct xfed_jid jid;
	*accepted = "an address of a user such as alice@example.com";
	int rc = xfed_jid_parse(a, in, &jid);
	if (rc != XFED_OK) {
		return rc;
	}
	if (!jid.local.data || jid.resource.data) {
		return XFED_ERR_INVALID;
	}
	*out = xfed_arena_printf(a, "%.*s@%.*s", (int)jid.local.len, jid.local.data, (int)jid.domain.len, jid.domain.data);
	return out->data ? XFED_OK : XFED_ERR_NOMEM;
}

/* clang-format off */
static const struct rt_conf_word scope_words[] = {
	{ "global", ACCESS_GLOBAL, NULL }, { "site", ACCESS_SITE, NULL }, { "user", ACCESS_USER, NULL }, { NULL, 0, NULL },
};
static const struct rt_conf_row access_rows[] = {
	{ .name = "name", .type = RT_CONF_STRING, ACCESS(name), .flags = RT_CONF_REQUIRED | RELOADABLE,
		.help = "The name of the rule; the file is named after it, in lower case." },
	{ .name = "scope", .type = RT_CONF_ENUM, ACCESS(scope), .flags = RT_CONF_REQUIRED | RELOADABLE, .words = scope_words,
		.help = "Whom the rule is for: everyone, the users of domains, or single users. User beats site beats global." },
	{ .name = "federation", .type = RT_CONF_BOOL, ACCESS(federation), .flags = RELOADABLE, .fallback = "false",
		.help = "Whether they may talk to anybody outside. They need xmpp too. One of federation, xmpp and allowed has to be given." },
	{ .name = "xmpp", .type = RT_CONF_BOOL, ACCESS(xmpp), .flags = RELOADABLE, .fallback = "false",
		.help = "Whether they may talk to partners over XMPP, which are all partners. They need federation too." },
	{ .name = "allowed", .type = RT_CONF_BOOL, ACCESS(allowed), .flags = RELOADABLE,
		.help = "Both switches in one, in place of federation and xmpp." },
	{ .name = "granted_to", .type = RT_CONF_STRINGS, ACCESS(granted_to), .flags = RELOADABLE, .convert = access_convert_user,
		.help = "With scope user: their addresses." },
	{ .name = "granted_to_file", .type = RT_CONF_PATH, ACCESS(granted_to_file), .flags = RELOADABLE,
		.help = "With scope user: a file with one address a line, and at least one; empty lines and lines beginning with # are left out." },
	{ .name = "domains", .type = RT_CONF_STRINGS, ACCESS(domains), .flags = RELOADABLE, .convert = rt_conf_convert_domain,
		.help = "With scope site: the domains." },
};
/* clang-format on */
const struct rt_conf_table access_file_table = { .name = "access.d/NAME.yaml",
	.help = "Which local users may use federation, one rule a file. Without any file everyone may; with files, a user whom none "
		"covers may not.",
	.rows = access_rows,
	.row_count = XFED_ARRAY_LEN(access_rows),
	.struct_size = sizeof(struct access_options) };

/* ---- the set ---- */

struct access_entry {
	const struct access_rule *rule;
	bool is_in_file;   /* a granted_to_file names it, and the rule itself does not */
	UT_hash_handle hh; /* key: "alice@example.com", or "example.com" */
};
struct access_set {
	struct xfed_arena memory; /* for everything below */
	struct access_entry *users, *sites;
	const struct access_rule *global;
	struct access_rule *first, *last;
	struct policy_instead *instead;			   /* while it is loaded */
	struct access_lists lists;			   /* .where NULL: each list is where it is named */
	struct access_entry *suspects;			   /* users and sites that files name which cannot be loaded */
	const struct access_rule *unread[ACCESS_USER + 1]; /* a file of this scope that cannot be loaded and may name anybody */
};

int access_set_new(struct access_set **out)
{
	*out = xfed_calloc(1, sizeof(**out));
	if (!*out) {
		return XFED_ERR_NOMEM;
	}
	xfed_arena_init(&(*out)->memory, SIZE_MAX); /* no limit of its own: the number and size of the files limit it */
	return XFED_OK;
}

void access_set_free(struct access_set *s)
{
	if (s) {
		HASH_CLEAR(hh, s->users);
		HASH_CLEAR(hh, s->sites);
		HASH_CLEAR(hh, s->suspects);
		xfed_arena_deinit(&s->memory);
		xfed_free(s);
	}
}

static const struct access_entry *find(const struct access_entry *table, struct xfed_span key)
{
	const struct access_entry *e = NULL;
	HASH_FIND(hh, table, key.data, key.len, e);
	return e;
}

/* OK, NOMEM; INVALID where another rule has the name (`*taken`). */
static int add_entry(struct access_set *s, struct access_entry **table, struct xfed_span key, const struct access_rule *rule, bool is_in_file,
	const struct access_rule **taken)
{
	const struct access_entry *old = find(*table, key);
	if (old) {
		*taken = old->rule;
		return old->rule == rule ? XFED_OK : XFED_ERR_INVALID;
	}
	struct access_entry *e = xfed_arena_alloc(&s->memory, sizeof(*e));
	key = xfed_arena_copy(&s->memory, key);
	if (!e || !key.data) {
		return XFED_ERR_NOMEM;
	}
	e->rule = rule;
	e->is_in_file = is_in_file;
	HASH_ADD_KEYPTR(hh, *table, key.data, key.len, e);
	return XFED_TABLE_ADDED(e) ? XFED_OK : XFED_ERR_NOMEM;
}

/* Notes that a file which cannot be loaded names it; the first such file is kept. OK, NOMEM. */
static int suspect(struct access_set *s, struct xfed_span name, const struct access_rule *rule)
{
	const struct access_rule *taken;
	int rc = add_entry(s, &s->suspects, name, rule, false, &taken);
	return rc == XFED_ERR_INVALID ? XFED_OK : rc;
}

/* ---- one file ---- */

struct adding {
	struct access_set *set;
	struct access_rule *rule;
	bool is_unread; /* some of the users it names could not be read */
	struct rt_conf_doc *doc;
	const struct access_options *options;
};

static int add_list(struct adding *d, struct access_entry **table, const struct rt_conf_strings *list, const char *key)
{
	int rc = XFED_OK;
	for (size_t i = 0; i < list->count && rc != XFED_ERR_NOMEM; i++) {
		const struct access_rule *taken = NULL;
		rc = add_entry(d->set, table, xfed_span_str(list->items[i]), d->rule, false, &taken);
		if (rc == XFED_ERR_INVALID) {
			rc = suspect(d->set, xfed_span_str(list->items[i]), d->rule);
			rt_conf_fail(d->doc, d->options, key, VALUE, "found \"%.200s\", which \"%.100s\" names already, accepted: each only once",
				list->items[i], taken->name);
		}
	}
	return rc == XFED_ERR_NOMEM ? rc : XFED_OK;
}

static int add_line(struct adding *d, struct xfed_span line, unsigned number)
{
	struct xfed_arena a;
	struct xfed_span user;
	const char *accepted;
	const struct access_rule *taken = NULL;
	const char *file = d->options->granted_to_file;
	xfed_arena_init(&a, 65536);
	int rc = access_convert_user(&a, line, &user, &accepted);
	if (rc == XFED_ERR_INVALID) {
		d->is_unread = true;
		rt_conf_errors_add(d->doc->errors, false, VALUE, file, number, 1, NULL, "found a line that is no address, accepted: %s", accepted);
	} else if (rc == XFED_OK) {
		rc = add_entry(d->set, &d->set->users, user, d->rule, true, &taken);
		if (rc == XFED_ERR_INVALID) {
			rc = suspect(d->set, user, d->rule);
			rt_conf_errors_add(d->doc->errors, false, VALUE, file, number, 1, NULL,
				"found \"%.200s\", which \"%.100s\" names already, accepted: each only once", user.data, taken->name);
		}
	}
	xfed_arena_deinit(&a);
	return rc == XFED_ERR_NOMEM ? rc : XFED_OK;
}

static int add_file(struct adding *d)
{
	struct xfed_buf text;
	char error[256];
	const char *from = policy_instead_of(d->set->instead, d->options->granted_to_file);
	from = from ? from : d->options->granted_to_file; /* it is never taken away */
	from = d->set->lists.where ? d->set->lists.where(d->set->lists.user, from) : from;
	rt_conf_check_file(d->doc->errors, from);
	int rc = rt_file_read(from, ACCESS_GRANTED_FILE_BYTES, &text, error);
	if (rc != XFED_OK) {
		d->is_unread = true;
		rt_conf_fail(d->doc, d->options, "granted_to_file", rt_file_reason(from, VALUE), "%s", error);
		return rc == XFED_ERR_INVALID ? XFED_OK : rc;
	}
	struct xfed_span rest = xfed_buf_span(&text);
	size_t named = 0;
	for (unsigned number = 1; rest.len > 0 && rc == XFED_OK; number++) {
		struct xfed_span line = xfed_span_cut(&rest, '\n');
		while (line.len > 0 && strchr(" \t\r", line.data[line.len - 1])) {
			line.len--;
		}
		if (line.len > 0 && line.data[0] != '#') {
			named++;
			rc = add_line(d, line, number);
		}
	}
	d->rule->named_in_file = named;
	if (rc == XFED_OK && named == 0) { /* an empty file is what a full disk leaves: the rule must not silently vanish */
		d->is_unread = true;
		rt_conf_fail(d->doc, d->options, "granted_to_file", VALUE, "found no address in %.180s, accepted: at least one",
			d->options->granted_to_file);
	}
	xfed_buf_deinit(&text);
	return rc;
}

static void check_scope(struct rt_conf_doc *doc, const struct access_options *o)
{
	bool has_users = o->granted_to.count > 0 || o->granted_to_file;
	if (o->scope == ACCESS_USER ? !has_users : has_users) {
		rt_conf_fail(doc, o, o->granted_to_file ? "granted_to_file" : "granted_to", VALUE, "%s",
			o->scope == ACCESS_USER ? "missing, accepted: granted_to or granted_to_file (scope is user)"
						: "found with another scope, accepted: scope user only");
	}
	if (o->scope == ACCESS_SITE ? o->domains.count == 0 : o->domains.count > 0) {
		rt_conf_fail(doc, o, "domains", VALUE, "%s",
			o->scope == ACCESS_SITE ? "missing, accepted: a list of domains (scope is site)"
						: "found with another scope, accepted: scope site only");
	}
}

static void check_name(struct rt_conf_doc *doc, const struct access_options *o)
{
	char name[256]; /* no file name is longer */
	size_t len = strlen(o->name);
	for (size_t i = 0; i < len && len < sizeof(name); i++) {
		name[i] = xfed_lower(o->name[i]);
	}
	if (len >= sizeof(name) || !policy_dir_is_named(doc->file, xfed_span_make(name, len))) {
		rt_conf_fail(doc, o, "name", VALUE, "found \"%.100s\", accepted: the name the file is named after in lower case", o->name);
	}
}

/* The switches; `allowed` is both of them. */
static void check_switches(struct rt_conf_doc *doc, const struct access_options *o)
{
	bool has_two = rt_conf_is_set(doc, o, "federation") || rt_conf_is_set(doc, o, "xmpp"), has_one = rt_conf_is_set(doc, o, "allowed");
	if (has_one == has_two) {
		rt_conf_fail(doc, o, "allowed", VALUE, "%s, accepted: federation and xmpp, or allowed for both%s",
			has_one ? "found beside federation or xmpp" : "missing",
			has_one ? " (xfedctl access set NAME allowed= federation=... xmpp=..., or federation= xmpp= allowed=...)" : "");
	}
}

static struct access_rule *add_rule(struct access_set *s, struct xfed_span name, const char *file)
{
	struct access_rule *rule = xfed_arena_alloc(&s->memory, sizeof(*rule));
	name = xfed_arena_copy(&s->memory, name);
	struct xfed_span path = xfed_arena_copy(&s->memory, xfed_span_str(file));
	if (!rule || !name.data || !path.data) {
		return NULL;
	}
	*rule = (struct access_rule){ .name = name.data, .file = path.data };
	if (s->last) {
		s->last->next = rule;
	} else {
		s->first = rule;
	}
	s->last = rule;
	return rule;
}

/* What people are shown of it. OK, NOMEM. */
static int keep_strings(struct access_set *s, const struct rt_conf_strings *list, struct rt_conf_strings *out)
{
	*out = (struct rt_conf_strings){ .items = xfed_arena_alloc(&s->memory, list->count * sizeof(out->items[0])) };
	for (; out->items && out->count < list->count; out->count++) {
		out->items[out->count] = xfed_arena_copy(&s->memory, xfed_span_str(list->items[out->count])).data;
		if (!out->items[out->count]) {
			return XFED_ERR_NOMEM;
		}
	}
	return out->items ? XFED_OK : XFED_ERR_NOMEM;
}

static int keep_options(struct access_set *s, const struct access_options *o, struct access_rule *rule)
{
	const char *file = o->granted_to_file ? xfed_arena_copy(&s->memory, xfed_span_str(o->granted_to_file)).data : NULL;
	rule->scope = o->scope;
	rule->federation = o->allowed || o->federation;
	rule->xmpp = o->allowed || o->xmpp;
	rule->granted_to_file = file;
	int rc = file || !o->granted_to_file ? keep_strings(s, &o->granted_to, &rule->granted_to) : XFED_ERR_NOMEM;
	return rc == XFED_OK ? keep_strings(s, &o->domains, &rule->domains) : rc;
}

static int add_checked(struct adding *d)
{
	const struct access_options *o = d->options;
	d->rule = add_rule(d->set, xfed_span_str(o->name), d->doc->file);
	int rc = d->rule ? keep_options(d->set, o, d->rule) : XFED_ERR_NOMEM;
	if (rc != XFED_OK) {
		return rc;
	}
	rc = add_list(d, &d->set->users, &o->granted_to, "granted_to");
	if (rc == XFED_OK) {
		rc = add_list(d, &d->set->sites, &o->domains, "domains");
	}
	if (rc == XFED_OK && o->granted_to_file) {
		rc = add_file(d);
	}
	if (rc == XFED_OK && o->scope == ACCESS_GLOBAL) {
		if (d->set->global) {
			rt_conf_fail(d->doc, o, "scope", VALUE, "found a second rule for global, \"%.100s\" is one already", d->set->global->name);
		} else {
			d->set->global = d->rule;
		}
	}
	return rc;
}

/* ---- files that cannot be loaded ---- */

/* The scope, from a line of its own; where that is missing, repeated or unreadable, the narrowest one, which no other rule overrides. */
static enum access_scope read_scope(struct xfed_span text)
{
	int seen = 0;
	enum access_scope scope = ACCESS_USER;
	while (text.len > 0) {
		struct xfed_span line = xfed_span_cut(&text, '\n');
		line.len -= line.len > 0 && line.data[line.len - 1] == '\r';
		if (line.len < 6 || memcmp(line.data, "scope:", 6) != 0) {
			continue;
		}
		struct xfed_span word = xfed_span_trim(xfed_span_make(line.data + 6, line.len - 6));
		seen++;
		for (const struct rt_conf_word *w = scope_words; w->word && seen == 1; w++) {
			if (xfed_span_is(word, w->word)) {
				scope = (enum access_scope)w->value;
			}
		}
	}
	return seen == 1 ? scope : ACCESS_USER;
}

static int suspect_list(struct access_set *s, const struct rt_conf_strings *list, const struct access_rule *rule)
{
	int rc = XFED_OK;
	for (size_t i = 0; i < list->count && rc == XFED_OK; i++) {
		rc = suspect(s, xfed_span_str(list->items[i]), rule);
	}
	return rc;
}

static int suspect_words(struct access_set *s, struct xfed_span text, const char *ends, const struct access_rule *rule)
{
	struct xfed_arena a;
	struct xfed_span word, name;
	const char *accepted;
	int rc = XFED_OK;
	xfed_arena_init(&a, 65536);
	while (rc == XFED_OK && policy_broken_word(&text, ends, &word)) {
		bool is_user = memchr(word.data, '@', word.len);
		xfed_arena_reset(&a);
		rc = is_user ? access_convert_user(&a, word, &name, &accepted) : rt_conf_convert_domain(&a, word, &name, &accepted);
		rc = rc == XFED_OK ? suspect(s, name, rule) : rc == XFED_ERR_INVALID ? XFED_OK : rc;
	}
	xfed_arena_deinit(&a);
	return rc;
}

/*
 * What separates words may also occur in a user's name, so the text is split in several ways: at characters that no user's name has (RFC
 * 7622 section 3.3.1), at those of lists too, and at all separators.
 */
static int suspect_text(struct access_set *s, struct xfed_span text, const struct access_rule *rule)
{
	static const char *const ends[] = { POLICY_BLANKS "\"':<>&/", POLICY_BLANKS "\"':<>&/[]{},", POLICY_WORD_ENDS };
	int rc = XFED_OK;
	for (size_t i = 0; i < XFED_ARRAY_LEN(ends) && rc == XFED_OK; i++) {
		rc = suspect_words(s, text, ends[i], rule);
	}
	return rc;
}

static bool are_read(const struct rt_conf_strings *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (!list->items[i]) {
			return false;
		}
	}
	return true;
}

/* Whether the errors found (those behind the first `before`, `found` of them) concern something other than the names, so that `o` has all names. */
static bool names_are_read(const struct access_options *o, const struct rt_conf_errors *errors, size_t before, size_t found)
{
	size_t harmless = 0;
	for (size_t i = before; i < errors->count; i++) {
		const struct rt_conf_problem *p = &errors->items[i];
		harmless += !p->is_warning && (strcmp(p->key, "allowed") == 0 || strcmp(p->key, "federation") == 0 || strcmp(p->key, "xmpp") == 0 ||
						      strcmp(p->key, "name") == 0);
	}
	bool has_users = o && o->granted_to.count > 0, has_sites = o && o->domains.count > 0;
	return o && harmless == found && !o->granted_to_file && has_users == (o->scope == ACCESS_USER) && has_sites == (o->scope == ACCESS_SITE) &&
	       are_read(&o->granted_to) && are_read(&o->domains);
}

/* For a file of which only the text is there. */
static int break_text(struct access_set *s, struct xfed_span text, const struct access_rule *rule)
{
	struct xfed_buf plain;
	int rc = policy_broken_text(text, &plain);
	if (rc == XFED_OK) {
		s->unread[read_scope(xfed_buf_span(&plain))] = rule;
		rc = suspect_text(s, xfed_buf_span(&plain), rule);
	}
	xfed_buf_deinit(&plain);
	return rc;
}

/* `rule`: what has been added for the file, or NULL. `o`: what was read of it, or NULL; `is_whole`: all of the users it names were read. */
static int break_file(
	struct access_set *s, const char *file, struct xfed_span text, struct access_rule *rule, const struct access_options *o, bool is_whole)
{
	rule = rule ? rule : add_rule(s, policy_dir_name(file), file);
	if (!rule) {
		return XFED_ERR_NOMEM;
	}
	rule->federation = rule->xmpp = false;
	rule->is_broken = true;
	if (!o) {
		return break_text(s, text, rule);
	}
	if (!is_whole || o->scope == ACCESS_GLOBAL) {
		s->unread[o->scope] = rule;
	}
	int rc = suspect_list(s, &o->granted_to, rule);
	return rc == XFED_OK ? suspect_list(s, &o->domains, rule) : rc;
}

int access_set_add(struct access_set *s, const char *file, struct xfed_span text, struct rt_conf_errors *errors)
{
	struct rt_conf_doc doc;
	size_t errors_before = errors->error_count, before = errors->count;
	struct adding d = { .set = s };
	int rc = rt_conf_load(&doc, &access_file_table, file, text, errors);
	if (rc == XFED_OK) {
		d.doc = &doc;
		d.options = doc.object;
		check_switches(&doc, d.options);
		check_scope(&doc, d.options);
		check_name(&doc, d.options);
		if (errors->error_count == errors_before) {
			rc = add_checked(&d);
		}
	}
	size_t found = errors->error_count - errors_before;
	if (rc == XFED_ERR_INVALID || (rc == XFED_OK && found > 0)) {
		const struct access_options *o = doc.object;
		bool is_read = d.rule || names_are_read(o, errors, before, found);
		rc = break_file(s, file, text, d.rule, is_read ? o : NULL, !d.is_unread);
		rc = rc == XFED_OK ? XFED_ERR_INVALID : rc;
	}
	rt_conf_doc_deinit(&doc);
	return rc;
}

void access_set_lists(struct access_set *s, access_list_fn *where, void *user)
{
	s->lists = (struct access_lists){ where, user };
}

struct loading {
	struct access_set *set;
	struct rt_conf_errors *errors;
	struct policy_broken *broken;
};

static int load_one(void *user, const char *file, struct xfed_span text)
{
	struct loading *l = user;
	return access_set_add(l->set, file, text, l->errors);
}

static int broken_one(void *user, const char *file, struct xfed_span text, size_t before)
{
	struct loading *l = user;
	int rc = text.len == 0 ? break_file(l->set, file, text, NULL, NULL, false) : XFED_OK; /* else the file is handled already */
	return rc == XFED_OK
		       ? policy_broken_add(l->broken, XFED_REASON_POLICY_ACCESS_BROKEN, file, l->errors, before, "everybody it could have been about")
		       : rc;
}

int access_dir_load(const char *dir, bool may_be_missing, struct policy_instead *instead, struct policy_broken *broken, struct rt_conf_errors *errors,
	struct access_set **out)
{
	struct loading l = { .errors = errors, .broken = broken };
	struct policy_dir_user u = { .key = "access_dir", .instead = instead, .each = load_one, .broken = broken ? broken_one : NULL };
	size_t count;
	*out = NULL;
	int rc = access_set_new(&l.set);
	bool is_missing = may_be_missing && access(dir, F_OK) != 0 && errno == ENOENT;
	if (rc == XFED_OK && !is_missing) {
		l.set->instead = instead;
		rc = policy_dir_each(dir, ACCESS_FILES_MAX, errors, &u, &l, &count);
	}
	if (rc != XFED_OK) {
		access_set_free(l.set);
		return rc;
	}
	l.set->instead = NULL;
	*out = l.set;
	return XFED_OK;
}

/* ---- names that are nobody's ---- */

static void warn_of(const struct access_entry *table, const struct config *c, struct rt_conf_errors *errors)
{
	for (const struct access_entry *e = table; e; e = e->hh.next) {
		struct xfed_span name = xfed_span_make(e->hh.key, e->hh.keylen);
		struct xfed_span domain = xfed_jid_domain_part(name);
		if (!config_domain(c, domain)) {
			rt_conf_errors_add(errors, true, VALUE, e->is_in_file ? e->rule->granted_to_file : e->rule->file, 0, 0,
				e->is_in_file		? NULL
				: domain.len < name.len ? "granted_to"
							: "domains",
				"found \"%.*s\", and %.*s is no domain of ours: the rule %.100s decides about nobody by it", (int)name.len, name.data,
				(int)domain.len, domain.data, e->rule->name);
		}
	}
}

void access_set_warn(const struct access_set *s, const struct config *c, struct rt_conf_errors *errors)
{
	warn_of(s->users, c, errors);
	warn_of(s->sites, c, errors);
}

/* ---- the decision ---- */

/* Users before sites before the global rule; at each level files that cannot be loaded first. */
static const struct access_rule *rule_for(const struct access_set *s, const struct xfed_jid *user)
{
	char bare[XFED_JID_BYTES + 1];
	const struct access_entry *e = NULL;
	if (user->local.data && user->local.len + 1 + user->domain.len <= sizeof(bare)) {
		struct xfed_span key = xfed_span_make(bare, user->local.len + 1 + user->domain.len);
		memcpy(bare, user->local.data, user->local.len);
		bare[user->local.len] = '@';
		memcpy(bare + user->local.len + 1, user->domain.data, user->domain.len);
		e = s->suspects ? find(s->suspects, key) : NULL;
		e = e ? e : find(s->users, key);
	}
	if (e || s->unread[ACCESS_USER]) {
		return e ? e->rule : s->unread[ACCESS_USER];
	}
	e = s->suspects ? find(s->suspects, user->domain) : NULL;
	e = e ? e : find(s->sites, user->domain);
	if (e || s->unread[ACCESS_SITE]) {
		return e ? e->rule : s->unread[ACCESS_SITE];
	}
	return s->unread[ACCESS_GLOBAL] ? s->unread[ACCESS_GLOBAL] : s->global;
}

enum xfed_reason access_set_judge(const struct access_set *s, const struct xfed_jid *user, const struct access_rule **rule)
{
	*rule = NULL;
	if (!s->first) {
		return XFED_REASON_NONE;
	}
	const struct access_rule *r = rule_for(s, user);
	*rule = r;
	return r && r->federation && r->xmpp ? XFED_REASON_NONE
	       : r && r->is_broken	     ? XFED_REASON_POLICY_ACCESS_BROKEN
					     : XFED_REASON_POLICY_ACCESS_USER;
}

const struct access_rule *access_set_rules(const struct access_set *s)
{
	return s->first;
}

const char *access_rule_off(const struct access_rule *r)
{
	return r->federation ? r->xmpp ? NULL : "xmpp is off" : r->xmpp ? "federation is off" : "federation and xmpp are off";
}
