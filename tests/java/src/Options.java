import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A command line: words in order, and {@code --name value} pairs ({@code --name} alone at the end or before another option is "true"). */
final class Options {
    final List<String> words = new ArrayList<>();
    private final Map<String, String> named = new LinkedHashMap<>();
    private final String usage;

    Options(String usage, String[] arguments) {
        this.usage = usage;
        for (int i = 0; i < arguments.length; i++) {
            String argument = arguments[i];
            if (argument.equals("--help")) {
                System.out.println(usage);
                System.exit(0);
            } else if (!argument.startsWith("--")) {
                words.add(argument);
            } else if (i + 1 < arguments.length && !arguments[i + 1].startsWith("--")) {
                // The same option twice is a list.
                named.merge(argument.substring(2), arguments[++i], (before, now) -> before + "," + now);
            } else {
                named.put(argument.substring(2), "true");
            }
        }
    }

    String word(int index, String what) {
        if (index >= words.size()) {
            throw refuse("missing " + what);
        }
        return words.get(index);
    }

    String text(String name, String otherwise) {
        String value = named.remove(name);
        return value == null ? otherwise : value;
    }

    String required(String name) {
        String value = named.remove(name);
        if (value == null) {
            throw refuse("missing --" + name);
        }
        return value;
    }

    long number(String name, long otherwise) {
        String value = named.remove(name);
        try {
            return value == null ? otherwise : Long.parseLong(value);
        } catch (NumberFormatException e) {
            throw refuse("--" + name + " wants a number, not " + value);
        }
    }

    boolean flag(String name) {
        return "true".equals(named.remove(name));
    }

    List<String> list(String name) {
        String value = named.remove(name);
        return value == null ? List.of() : List.of(value.split(","));
    }

    /** To be called when all known options were asked for: what is left is a mistake. */
    void finished() {
        if (!named.isEmpty()) {
            throw refuse("unknown option --" + named.keySet().iterator().next());
        }
    }

    private RuntimeException refuse(String why) {
        System.err.println(why + "\n" + usage);
        System.exit(2);
        return new IllegalStateException(why);
    }
}
