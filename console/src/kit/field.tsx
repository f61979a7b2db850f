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
  /** What is wrong with it, where the browser cannot know. */
  readonly error?: string | undefined;
}

/** One line of text with its label; what is wrong with it stands below and is read aloud. */
export function TextField({ label, hint, placeholder, error, ...props }: Props) {
  return (
    <AriaField {...props} {...(error ? { isInvalid: true } : {})} className="field">
      <Label>{label}</Label>
      <Input {...(placeholder === undefined ? {} : { placeholder })} />
      {hint && <Text slot="description" className="quiet">{hint}</Text>}
      {error ? <FieldError className="wrong">{error}</FieldError> : <FieldError className="wrong" />}
    </AriaField>
  );
}
