import {
  FieldError,
  Input,
  Label,
  Text,
  TextField as AriaField,
  type TextFieldProps,
} from "react-aria-components";

interface Props extends Omit<TextFieldProps, "className" | "children"> {
  readonly label: string;
  readonly hint?: string;
  readonly placeholder?: string;
}

/** One line of text with its label; what is wrong with it stands below and is read aloud. */
export function TextField({ label, hint, placeholder, ...props }: Props) {
  return (
    <AriaField {...props} className="field">
      <Label>{label}</Label>
      <Input {...(placeholder === undefined ? {} : { placeholder })} />
      {hint && <Text slot="description" className="quiet">{hint}</Text>}
      <FieldError className="wrong" />
    </AriaField>
  );
}
