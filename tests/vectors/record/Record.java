/* Record.java - asks a real Flink 1.20 what each expression gives.
 *
 *   java -cp 'FLINK/lib/*':. Record OUT_DIR LIST.txt ...
 *
 * A list holds one expression per line; {{a ~ b}} stands for each of its choices in turn, all
 * combinations; "@zone Z" sets the session time zone for the lines after it; "#" starts a comment.
 * For LIST.txt, OUT_DIR/LIST.tsv gets one line per expression: zone, expression, type, result.
 * A result that starts with '!' is an error and its reason. Batch mode, one SELECT without a table.
 */
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Period;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

public class Record {
    private static final int TOGETHER = 12; // expressions per query, while none of them fails

    public static void main(String[] args) throws Exception {
        Configuration configuration = new Configuration();
        configuration.setString("table.exec.resource.default-parallelism", "1");
        configuration.setString("rest.bind-port", "0");
        TableEnvironment env =
                TableEnvironment.create(
                        EnvironmentSettings.newInstance()
                                .inBatchMode()
                                .withConfiguration(configuration)
                                .build());
        for (int i = 1; i < args.length; i++) {
            Path list = Path.of(args[i]);
            String name = list.getFileName().toString().replace(".txt", ".tsv");
            try (PrintWriter out =
                    new PrintWriter(
                            Files.newBufferedWriter(
                                    Path.of(args[0], name), StandardCharsets.UTF_8))) {
                out.println(
                        "# recorded by tests/vectors/record/Record.java from "
                                + list.getFileName()
                                + " with Apache Flink "
                                + org.apache.flink.runtime.util.EnvironmentInformation.getVersion()
                                + ", Java "
                                + System.getProperty("java.version")
                                + ": zone, expression, type, result (! error)");
                record(env, Files.readAllLines(list, StandardCharsets.UTF_8), out);
            }
        }
        System.exit(0);
    }

    private static void record(TableEnvironment env, List<String> lines, PrintWriter out) {
        String zone = "UTC";
        List<String> waiting = new ArrayList<>();
        for (String line : lines) {
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            if (line.startsWith("@zone ")) {
                flush(env, zone, waiting, out);
                zone = line.substring(6).trim();
                continue;
            }
            List<String> expanded = new ArrayList<>();
            expand(line, expanded);
            for (String expression : expanded) {
                waiting.add(expression);
                if (waiting.size() == TOGETHER) {
                    flush(env, zone, waiting, out);
                }
            }
        }
        flush(env, zone, waiting, out);
    }

    private static void expand(String line, List<String> into) {
        int from = line.indexOf("{{");
        if (from < 0) {
            into.add(line.trim());
            return;
        }
        int to = line.indexOf("}}", from);
        for (String choice : line.substring(from + 2, to).split("~")) {
            expand(line.substring(0, from) + choice.trim() + line.substring(to + 2), into);
        }
    }

    private static void flush(
            TableEnvironment env, String zone, List<String> expressions, PrintWriter out) {
        if (expressions.isEmpty()) {
            return;
        }
        env.getConfig().set("table.local-time-zone", zone);
        List<String> answers = new ArrayList<>();
        try {
            ask(env, expressions, answers);
        } catch (Throwable together) {
            answers.clear();
            for (String one : expressions) {
                try {
                    ask(env, List.of(one), answers);
                } catch (Throwable alone) {
                    answers.add("-\t!" + reason(alone));
                }
            }
        }
        for (int i = 0; i < expressions.size(); i++) {
            out.println(zone + "\t" + expressions.get(i) + "\t" + answers.get(i));
        }
        out.flush();
        expressions.clear();
    }

    private static void ask(TableEnvironment env, List<String> expressions, List<String> answers)
            throws Exception {
        StringBuilder sql = new StringBuilder("SELECT ");
        for (int i = 0; i < expressions.size(); i++) {
            sql.append(i > 0 ? ", " : "").append(expressions.get(i)).append(" AS c").append(i);
        }
        TableResult result = env.executeSql(sql.toString());
        try (CloseableIterator<Row> rows = result.collect()) {
            Row row = rows.next();
            for (int i = 0; i < expressions.size(); i++) {
                String type =
                        result.getResolvedSchema()
                                .getColumnDataTypes()
                                .get(i)
                                .getLogicalType()
                                .asSummaryString();
                answers.add(type + "\t" + text(row.getField(i)));
            }
        }
    }

    private static String reason(Throwable error) {
        while (error.getCause() != null && error.getCause() != error) {
            error = error.getCause();
        }
        String text = error.getClass().getSimpleName() + ": " + error.getMessage();
        return quote(text.split("\n")[0]);
    }

    private static String quote(String text) {
        StringBuilder out = new StringBuilder();
        for (char c : text.toCharArray()) {
            if (c == '\\') {
                out.append("\\\\");
            } else if (c < ' ' || c == 127) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.toString();
    }

    private static String text(Object value) {
        if (value == null) {
            return "NULL";
        }
        if (value instanceof String) {
            return "'" + quote((String) value) + "'";
        }
        if (value instanceof byte[]) {
            StringBuilder out = new StringBuilder("x'");
            for (byte b : (byte[]) value) {
                out.append(String.format("%02x", b));
            }
            return out.append("'").toString();
        }
        if (value instanceof java.math.BigDecimal) {
            return ((java.math.BigDecimal) value).toPlainString();
        }
        if (value instanceof Period) {
            return ((Period) value).toTotalMonths() + " months";
        }
        if (value instanceof Duration) {
            return ((Duration) value).toMillis() + " ms";
        }
        if (value instanceof Object[]) {
            List<String> parts = new ArrayList<>();
            for (Object item : (Object[]) value) {
                parts.add(text(item));
            }
            return "[" + String.join(", ", parts) + "]";
        }
        if (value.getClass().isArray()) {
            List<String> parts = new ArrayList<>();
            for (int i = 0; i < java.lang.reflect.Array.getLength(value); i++) {
                parts.add(text(java.lang.reflect.Array.get(value, i)));
            }
            return "[" + String.join(", ", parts) + "]";
        }
        if (value instanceof Map) {
            List<String> parts = new ArrayList<>();
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                parts.add(text(entry.getKey()) + "=" + text(entry.getValue()));
            }
            parts.sort(null);
            return "{" + String.join(", ", parts) + "}";
        }
        if (value instanceof Row) {
            List<String> parts = new ArrayList<>();
            for (int i = 0; i < ((Row) value).getArity(); i++) {
                parts.add(text(((Row) value).getField(i)));
            }
            return "(" + String.join(", ", parts) + ")";
        }
        return value.toString(); // numbers, booleans, LocalDate, LocalTime, LocalDateTime, Instant
    }
}
