#include <getopt.h>
#include <stdlib.h>

#include "ctl.h"

#define HELP_COLUMN 36

size_t ctl_usage(const char *noun, FILE *out)
{
	size_t count = 0;
	for (const struct rt_command *c = rt_commands; c < rt_commands + RT_COMMAND_COUNT; c++) {
		char words[RT_COMMAND_WORDS];
		if ((noun && strcmp(c->noun, noun) != 0) || !rt_command_is_typed(c)) {
			continue;
		}
		count++;
		int width = fprintf(out, "  %s", rt_command_words(c, words));
		if (width > HELP_COLUMN - 2) { /* two blanks at least part them */
			fprintf(out, "\n");
			width = 0;
		}
		fprintf(out, "%*s%s\n", HELP_COLUMN - width, "", c->help);
	}
	return count;
}

static void usage(FILE *out)
{
	fprintf(out, "usage: xfedctl [--socket PATH | --name NAME | --all] [--json] NOUN VERB [ARGS]\n\n");
	ctl_usage(NULL, out);
	fprintf(out, "\nWithout --socket and --name: the services that have a socket in " CTL_RUN_DIR ".\n"
		     "Exit status: 0 fine, 1 a problem was found or the action failed, 2 usage.\n");
}

/* ---- the command line ---- */

static int parse_options(int argc, char **argv, struct ctl_options *o)
{
	static const struct option names[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "name", required_argument, NULL, 'n' },
		{ "all", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;
	while ((c = getopt_long(argc, argv, "+h", names, NULL)) != -1) {
		switch (c) {
		case 's':
			o->socket = optarg;
			break;
		case 'n':
			o->name = optarg;
			break;
		case 'a':
			o->is_all = true;
			break;
		case 'j':
			o->is_json = true;
			break;
		case 'h':
			usage(stdout);
			exit(CTL_FINE);
		case 'V':
			printf("xfedctl %s\n", XFED_VERSION);
			exit(CTL_FINE);
		default:
			return CTL_USAGE;
		}
	}
	if ((o->socket != NULL) + (o->name != NULL) + o->is_all > 1) {
		fprintf(stderr, "xfedctl: give one of --socket, --name and --all\n");
		return CTL_USAGE;
	}
	return CTL_FINE;
}

static bool is_said(const struct rt_command *c, char **words, size_t count)
{
	return rt_command_is_typed(c) && strcmp(c->noun, words[0]) == 0 && (c->verb[0] == '\0' || (count > 1 && strcmp(c->verb, words[1]) == 0));
}

static void usage_of(const char *noun, const char *verb)
{
	for (const struct rt_command *c = rt_commands; c < rt_commands + RT_COMMAND_COUNT; c++) {
		char line[RT_COMMAND_WORDS];
		if (strcmp(c->noun, noun) == 0 && (!verb || strcmp(c->verb, verb) == 0)) {
			fprintf(stderr, "usage: xfedctl %s\n", rt_command_words(c, line));
		}
	}
}

static bool is_noun(const char *word)
{
	bool is_one = false;
	for (const struct rt_command *c = rt_commands; c < rt_commands + RT_COMMAND_COUNT; c++) {
		is_one = is_one || (rt_command_is_typed(c) && strcmp(c->noun, word) == 0);
	}
	return is_one;
}

static void suggest(const char *noun, const char *word)
{
	const char *nearest = *word ? ctl_nearest(noun, word) : NULL;
	fprintf(stderr, nearest ? ". Is %s%s%s meant?\n" : "\n", noun ? noun : "", noun ? " " : "", nearest ? nearest : "");
}

static int unknown(char **words, size_t count)
{
	const char *verb = count > 1 ? words[1] : "";
	if (is_noun(words[0]) && !ctl_later(words[0], verb)) {
		fprintf(stderr, *verb ? "xfedctl: %s does not take \"" : "xfedctl: %s needs one more word", words[0]);
		ctl_text(stderr, verb);
		fprintf(stderr, *verb ? "\"" : "");
		suggest(words[0], verb);
		usage_of(words[0], NULL);
	} else if (ctl_later(words[0], verb)) {
		fprintf(stderr, "xfedctl: %s%s%s is not built in this version\n", words[0], *verb ? " " : "", verb);
	} else {
		fprintf(stderr, "xfedctl: there is no command \"%s%s%s\"; xfedctl --help lists them", words[0], *verb ? " " : "", verb);
		suggest(NULL, words[0]);
		ctl_cmdlet(words[0], stderr);
	}
	return CTL_USAGE;
}

/* ---- asking one service or several ---- */

struct asking {
	const struct rt_command *command;
	const struct ctl_options *options;
	json_t *args;
	bool is_chosen;	   /* chosen by --socket or --name, or the only one */
	json_t *collected; /* for --all --json: answers by name */
	size_t answered, skipped;
};

static void print_json(const json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
	printf("\n");
}

static enum ctl_exit judge(const struct asking *a, const json_t *result)
{
	/* Only the printer knows what counts as a problem; here its output is thrown away. */
	FILE *nowhere = fopen("/dev/null", "w");
	enum ctl_exit rc = nowhere ? ctl_ways[a->command - rt_commands].print(result, nowhere) : CTL_FINE;
	if (nowhere) {
		fclose(nowhere);
	}
	return rc;
}

/* A command for gateways was sent to an edge: names the gateways linked with it, as far as the edge says. */
static void say_where(const struct asking *a, const char *path, const char *name)
{
	char error[256];
	size_t i;
	json_t *answer, *link;
	fprintf(stderr, "xfedctl: %s is an edge; %s%s%s is asked on the inside host, where xfed-gateway runs", name, a->command->noun,
		a->command->verb[0] ? " " : "", a->command->verb);
	if (ctl_ask(path, "status", "", NULL, NULL, &answer, error) == XFED_OK) {
		json_array_foreach(json_object_get(json_object_get(answer, "result"), "channel"), i, link) {
			fprintf(stderr, i == 0 ? " (linked with this edge: " : ", ");
			ctl_text(stderr, ctl_str(link, "peer"));
		}
		fprintf(stderr, i > 0 ? ")" : "");
		json_decref(answer);
	}
	fprintf(stderr, "\n");
}

static bool is_of_gateways(const struct asking *a, const json_t *error)
{
	return a->command->server == RT_COMMAND_OF_GATEWAY && strcmp(ctl_str(error, "code"), "unknown-command") == 0;
}

static enum ctl_exit show_error(struct asking *a, const char *path, const char *name, const json_t *answer)
{
	const json_t *e = json_object_get(answer, "error");
	if (!a->is_chosen && strcmp(ctl_str(e, "code"), "unknown-command") == 0) {
		/* One of several services does not have the command, because it is an edge, say. */
		a->skipped++;
		return CTL_FINE;
	}
	a->answered++;
	if (is_of_gateways(a, e)) {
		say_where(a, path, name);
	} else {
		fprintf(stderr, "xfedctl: %s: ", name);
		ctl_text(stderr, ctl_str(e, "text"));
		fprintf(stderr, "\n");
	}
	if (a->options->is_json) {
		json_t *j = json_pack("{s:O}", "error", e);
		if (a->collected) {
			json_object_set(a->collected, name, j);
		} else {
			print_json(j);
		}
		json_decref(j);
	}
	bool is_usage = strcmp(ctl_str(e, "code"), "bad-request") == 0 || strcmp(ctl_str(e, "code"), "unknown-command") == 0 ||
			strcmp(ctl_str(e, "code"), "not-built") == 0;
	return is_usage ? CTL_USAGE : CTL_PROBLEM;
}

static enum ctl_exit show(struct asking *a, const char *path, const char *name, json_t *answer)
{
	json_t *result = json_object_get(answer, "result");
	if (!json_is_true(json_object_get(answer, "ok"))) {
		return show_error(a, path, name, answer);
	}
	a->answered++;
	if (!a->options->is_json) {
		ctl_harmless(result, strcmp(a->command->noun, "config") == 0 ? "\t\n" : "\t"); /* that is a text of lines */
		return ctl_ways[a->command - rt_commands].print(result, stdout);
	}
	if (a->collected) {
		json_object_set(a->collected, name, result);
	} else {
		print_json(result);
	}
	return judge(a, result);
}

static enum ctl_exit ask_one(struct asking *a, const char *path)
{
	char name[128], error[256];
	json_t *answer;
	ctl_name_of(path, name);
	void (*part)(const json_t *) = a->options->is_json ? NULL : ctl_print_part;
	if (ctl_ask_pages(path, a->command, a->args, part, &answer, error) != XFED_OK) {
		fprintf(stderr, "xfedctl: %s: %s\n", name, error);
		a->answered++;
		return CTL_PROBLEM;
	}
	enum ctl_exit rc = show(a, path, name, answer);
	json_decref(answer);
	return rc;
}

static enum ctl_exit ask_all(struct asking *a, char **paths, size_t count)
{
	enum ctl_exit worst = CTL_FINE;
	a->collected = a->options->is_json ? json_object() : NULL;
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && !a->options->is_json) {
			printf("\n");
		}
		enum ctl_exit rc = ask_one(a, paths[i]);
		worst = rc > worst ? rc : worst;
	}
	if (a->collected) {
		print_json(a->collected);
		json_decref(a->collected);
	}
	if (a->answered == 0) {
		fprintf(stderr, "xfedctl: no service here has that command%s\n",
			a->command->server == RT_COMMAND_OF_GATEWAY ? ": it is asked on the inside host, where xfed-gateway runs" : "");
		return CTL_USAGE;
	}
	return worst;
}

static int several(char **paths, size_t count)
{
	fprintf(stderr, "xfedctl: several services run here, choose with --name or --all:");
	for (size_t i = 0; i < count; i++) {
		char name[128];
		fprintf(stderr, " %s", ctl_name_of(paths[i], name));
	}
	fprintf(stderr, "\n");
	return CTL_USAGE;
}

static int ask_found(struct asking *a)
{
	char *paths[CTL_SOCKETS_MAX];
	size_t count = ctl_find(CTL_RUN_DIR, paths, CTL_SOCKETS_MAX);
	int rc;
	bool needs_choice = count > 1 && !a->options->is_all && (a->command->changes || a->options->is_json);
	if (count == 0) {
		fprintf(stderr, "xfedctl: no service runs here: there is no socket in " CTL_RUN_DIR
				": systemctl start xfed-gateway (or xfed-edge); journalctl -u "
				"says why it ended\n");
		rc = CTL_PROBLEM;
	} else if (needs_choice) {
		rc = several(paths, count);
	} else if (count == 1 && !a->options->is_all) {
		a->is_chosen = true;
		rc = ask_one(a, paths[0]);
	} else {
		rc = ask_all(a, paths, count);
	}
	for (size_t i = 0; i < count; i++) {
		free(paths[i]);
	}
	return rc;
}

static int ask(const struct rt_command *c, const struct ctl_options *o, json_t *args)
{
	struct asking a = { .command = c, .options = o, .args = args };
	if (!o->socket && !o->name) {
		return ask_found(&a);
	}
	char path[512];
	snprintf(path, sizeof(path), "%s%s%s", o->socket ? "" : CTL_RUN_DIR "/", o->socket ? o->socket : o->name, o->socket ? "" : ".sock");
	a.is_chosen = true;
	return ask_one(&a, path);
}

/* ---- which command ---- */

static int mistaken(const struct rt_command *c, const struct ctl_mistake *m)
{
	if (m->word) {
		fprintf(stderr, "xfedctl: \"");
		ctl_text(stderr, m->word);
		if (m->is_twice) {
			fprintf(stderr, "\": %s is given twice\n", m->arg->place == RT_ARG_NAMED ? m->arg->key : m->arg->word);
		} else if (m->arg) {
			fprintf(stderr, "\": %s is %s\n", m->arg->place == RT_ARG_NAMED ? m->arg->key : m->arg->word,
				rt_arg_info(m->arg->kind)->what);
		} else {
			fprintf(stderr, "\": one word too many\n");
		}
	} else if (m->arg) {
		fprintf(stderr, "xfedctl: %s is missing: %s\n", m->arg->place == RT_ARG_NAMED ? m->arg->key : m->arg->word,
			rt_arg_info(m->arg->kind)->what);
	}
	usage_of(c->noun, c->verb);
	return CTL_USAGE;
}

/*
 * A command may have several readings (rows of commands.def): takes the first whose arguments fit, else reports the mistake of the one that
 * accepted most words.
 */
static int run(char **words, size_t count, const struct ctl_options *o)
{
	const struct rt_command *said = NULL;
	struct ctl_mistake m, worst = { 0 };
	for (const struct rt_command *c = rt_commands; c < rt_commands + RT_COMMAND_COUNT; c++) {
		if (!is_said(c, words, count)) {
			continue;
		}
		size_t skip = c->verb[0] ? 2 : 1;
		json_t *args = ctl_read_args(c, words + skip, count - skip, &m);
		if (args) {
			enum ctl_exit (*act)(const json_t *, const struct ctl_options *) = ctl_ways[c - rt_commands].act;
			int rc = act ? (int)act(args, o) : ask(c, o, args);
			json_decref(args);
			return rc;
		}
		if (!said || m.at > worst.at) {
			worst = m;
		}
		said = c;
	}
	return said ? mistaken(said, &worst) : unknown(words, count);
}

int main(int argc, char **argv)
{
	struct ctl_options o = { 0 };
	if (parse_options(argc, argv, &o) != CTL_FINE) {
		return CTL_USAGE;
	}
	char **words = argv + optind;
	size_t count = (size_t)(argc - optind);
	if (count == 0) {
		usage(stderr);
		return CTL_USAGE;
	}
	return run(words, count, &o);
}
